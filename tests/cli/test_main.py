"""Exit codes: 0 success, 1 error, 2 usage, 3 cannot connect, 99 threshold, 130 interrupted."""

import os
import subprocess
import sys

import pytest

from mc_sched.cli import status
from mc_sched.errors import ConnectError, UserError


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (None, 0),
        (UserError("wrong"), 1),
        (UserError("wrong", exit_code=2), 2),
        (ConnectError("wrong"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_a_verb_raises_is_the_exit_code_and_one_line(run, monkeypatch, raised, code):
    def verb(args):
        if raised is not None:
            raise raised
        return 0

    monkeypatch.setattr(status, "run", verb)
    ran = run("status")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err == ("mc-sched: wrong\n" if isinstance(raised, UserError) else "")


def test_a_defect_is_not_hidden(run, monkeypatch):
    def broken(args):
        raise ZeroDivisionError

    monkeypatch.setattr(status, "run", broken)
    with pytest.raises(ZeroDivisionError):
        run("status")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: VERB"),
        (["teleport"], "invalid choice: 'teleport'"),
        (["submit"], "required: SOURCE"),
        (["submit", "x", "--deadline", "84"], "'84' has no unit; write 84ms or 84s"),
        (["submit", "x", "--deadline", "soon"], "'soon' is not a valid duration"),
        (["submit", "x", "--mode", "fast"], "invalid choice: 'fast'"),
        (["submit", "x", "--privacy", "none"], "invalid choice: 'none'"),
        (["submit", "x", "--arrivals", "burst"], "invalid choice: 'burst'"),
        (["submit", "x", "--output", "xml"], "invalid choice: 'xml'"),
        (["submit", "x", "--count", "many"], "invalid int value: 'many'"),
        (["demo", "--link", "5g"], "invalid choice: '5g'"),
        (["config"], "required: JOB"),
        (["bench"], "required: BENCHMARK"),
        (["images"], "required: --out"),
    ],
)
def test_wrong_usage_is_2_with_the_argument_named(run, arguments, message):
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--frames", "0"], "--frames 0 is out of range; choose 1 or more"),
        (["demo", "--fps", "-1"], "--fps must be a number above 0"),
        (["bench", "overhead", "--rounds", "4"], "--rounds 4 is out of range; choose 5 or more"),
        (["bench", "give-up", "--tasks", "0"], "--tasks 0 is out of range; choose 1 or more"),
        (["evaluate", "set-a", "--count", "0"], "--count 0 is out of range; choose 1 or more"),
        (["evaluate", "set-a", "--seed", "-1"], "--seed -1 is out of range; choose 0 or more"),
        (["train", "--out", "x", "--seed", "-1"], "--seed -1 is out of range; choose 0 or more"),
    ],
)
def test_a_number_out_of_range_is_2_as_well(run, arguments, message):
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_a_missing_bundle_is_a_sentence(run):
    ran = run("evaluate", "no-such-bundle")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "no-such-bundle is not a bundle" in ran.err


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "mc_sched.cli", "teleport"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: mc-sched" in done.stderr


@pytest.mark.parametrize("arguments", [["config", "check", "edge.yaml"], ["--help"]])
def test_a_reader_that_has_left_is_no_error(tmp_path, arguments):
    """Such as in `mc-sched config check edge.yaml | true`."""
    (tmp_path / "edge.yaml").touch()
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mc_sched.cli", *arguments]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=buffered, cwd=tmp_path
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stdout_is_no_error(tmp_path):
    (tmp_path / "edge.yaml").touch()
    verb = [sys.executable, "-m", "mc_sched.cli", "config", "check", "edge.yaml"]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *verb], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
