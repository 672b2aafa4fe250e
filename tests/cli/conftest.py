"""The command as people run it, in this process: what it prints and how it leaves."""

from dataclasses import dataclass

import pytest

from mc_sched import client
from mc_sched.cli.main import main
from tests.cli.fake_edge import FakeEdge


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """No setting of the machine's changes how things look, and nobody is waited for long."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)


@pytest.fixture
def run(capsys):
    """Runs `mc-sched` with these arguments; an error that is no sentence ends the test."""

    def run(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse
            code = leaving.code
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
    """A folder of five frames; only their names say what they are."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"jpeg %d" % number)
    return folder
