"""The process of a daemon: its signals, its errors, the end of its drain."""

import asyncio
import os
import signal

import pytest

from mc_sched.errors import UserError
from mc_sched.service import daemon, grpc_port


async def nothing():
    pass


def test_a_run_to_the_end_is_fine(capsys):
    assert daemon.run(nothing(), "mc-edge-agent") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [UserError("no such bundle"), OSError("port in use"), ValueError("bad weights")]
)
def test_an_error_for_people_is_one_line_on_stderr(capsys, error):
    async def fails():
        raise error

    assert daemon.run(fails(), "mc-edge-agent") == 1
    assert capsys.readouterr() == ("", f"mc-edge-agent: {error}\n")


def test_a_defect_is_not_dressed_up_as_a_users_error():
    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        daemon.run(broken(), "mc-edge-agent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_wait(number, daemon_signals):
    waiting = asyncio.create_task(daemon.until_stopped())
    await asyncio.sleep(0)
    assert not waiting.done()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(waiting, 5)


async def test_a_drain_that_does_not_end_is_left(monkeypatch):
    monkeypatch.setattr(grpc_port, "DRAIN_S", 0.01)
    await asyncio.wait_for(grpc_port.within_drain_limit(asyncio.Event().wait()), 5)


async def test_a_drain_is_waited_for():
    done = []

    async def drain():
        await asyncio.sleep(0)
        done.append(True)

    await grpc_port.within_drain_limit(drain())
    assert done == [True]


def test_the_process_can_be_gone_20_s_after_sigterm():
    assert grpc_port.DRAIN_S < 20
