"""Messages about tasks, in the journal's native protocol."""

import socket

import pytest

from mc_sched.service import journal
from mc_sched.service.logger import about_task, process_log


@pytest.fixture
def journal_socket(tmp_path, monkeypatch):
    """The journal's end of its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
        yield server


def fields_of(datagram):
    """Parse fields as systemd does: a name, 8 bytes of length, and the value."""
    found = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8 : 8 + size].decode()
        assert rest[8 + size : 9 + size] == b"\n"
        datagram = rest[9 + size :]
    return found


def test_a_message_about_a_task_has_its_ids_as_fields(journal_socket, capsys):
    logger = process_log("agent", "debug")
    logger.warning("task %s: failed", "a\nPRIORITY=0", extra=about_task("a\nPRIORITY=0", "f" * 32))
    assert fields_of(journal_socket.recv(10_000)) == {
        "MESSAGE": "agent: task a\nPRIORITY=0: failed",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "agent",
        "TASK_ID": "a\nPRIORITY=0",
        "TRACE_ID": "f" * 32,
    }
    logger.info("serving")
    assert capsys.readouterr().err == "<6>agent: serving\n"


def test_a_task_without_a_trace_has_no_such_field(journal_socket):
    process_log("agent").warning("x", extra=about_task("a", ""))
    assert "TRACE_ID" not in fields_of(journal_socket.recv(10_000))


def test_without_a_journal_it_goes_to_stderr(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "none"))
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    process_log("agent").warning("x", extra=about_task("a", ""))
    monkeypatch.delenv("JOURNAL_STREAM")
    process_log("agent").warning("y", extra=about_task("a", ""))
    assert capsys.readouterr().err == "<4>agent: x\nagent: y\n"
