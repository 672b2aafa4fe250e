"""Fixtures that run the `mc-sched` command in this process."""

from dataclasses import dataclass

import pytest

from mc_sched import client
from mc_sched.cli.main import main
from tests.cli.fake_edge import FakeEdge


@dataclass(frozen=True)
class Ran:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """Make the output independent of the environment, and shorten timeouts."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)


@pytest.fixture
def run(capsys):
    """Runs `mc-sched` with these arguments; a traceback fails the test."""

    def run(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_:  # argparse
            code = exit_.code
        ran = Ran(code, *capsys.readouterr())
        assert "Traceback" not in ran.err
        return ran

    return run


@pytest.fixture
def agent():
    """A fake edge agent that answers every image."""
    with FakeEdge().in_a_thread() as edge:
        yield edge


@pytest.fixture
def frames(tmp_path):
    """A folder of five files that are images by name only."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"jpeg %d" % number)
    return folder
