"""`mc-sched link`: its arguments, and one run as a process."""

import argparse
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mc_sched.cli import link
from mc_sched.errors import UserError
from mc_sched.link.model import KINDS, LinkSpec, Outage, mbps

MAIN = """
import argparse, sys
from mc_sched.cli import link
parser = argparse.ArgumentParser()
link.configure(parser)
sys.exit(link.run(parser.parse_args()))
"""
ENDS = ["--listen", "127.0.0.1:0", "--target", "127.0.0.1:1"]


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    link.configure(parser)
    return parser.parse_args([*ENDS, *arguments])


def spec(*arguments: str) -> LinkSpec:
    return link.spec_of(parse(*arguments))


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_can_be_chosen(kind: str) -> None:
    assert spec("--kind", kind) == KINDS[kind]


def test_arguments_replace_parts_of_the_kind() -> None:
    found = spec("--kind", "3g", "--up-mbps", "7.5", "--rtt", "0ms", "--outage", "10s:2s")
    assert found.up == mbps(7.5)
    assert found.down == KINDS["3g"].down
    assert found.rtt_ns == 0
    assert found.outages == (Outage(10_000_000_000, 2_000_000_000),)


def test_a_trace_is_read_from_its_file(tmp_path: Path) -> None:
    trace = tmp_path / "x.up"
    trace.write_text("1\n2\n")
    assert spec("--up", str(trace)).up.mean_bps == 12e6


def test_bad_traces_are_one_sentence(tmp_path: Path) -> None:
    bad, binary = tmp_path / "bad", tmp_path / "binary"
    bad.write_text("1\nx\n")
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="line 2"):
        spec("--up", str(bad))
    with pytest.raises(UserError, match="not a text file"):
        spec("--down", str(binary))
    with pytest.raises(UserError, match="cannot read the trace"):
        spec("--down", str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rtt", "5"], "has no unit"),
        (["--outage", "10s"], "write START:DURATION"),
        (["--outage", "10s:0s"], "lasts longer than 0"),
        (["--up-mbps", "0"], "above 0"),
        (["--up", "x", "--up-mbps", "3"], "not allowed with"),
    ],
)
def test_usage_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(100))


def test_a_run_from_start_to_signal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo_once, args=(server,), daemon=True).start()
        target = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", MAIN, "--listen", "127.0.0.1:0", "--target", target]
        with subprocess.Popen(
            [*command, "--control"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            listening = process.stderr.readline().split()
            assert listening[:2] == ["listening", "on"]
            host, _, port = listening[2].rpartition(":")
            process.stdin.write("cut\nrestore\nnonsense\n")
            process.stdin.flush()
            replies = [process.stderr.readline() for _ in range(3)]
            assert replies[:2] == ["link cut\n", "link restored\n"]
            assert replies[2].startswith("unknown control line 'nonsense'")
            process.stdin.close()
            with socket.create_connection((host, int(port)), timeout=5) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
            process.send_signal(signal.SIGTERM)
            assert process.stderr.readline() == "relayed 5 bytes up, 5 bytes down\n"
            assert process.wait(5) == 0
