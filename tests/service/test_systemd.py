"""Notifications to a service manager, over a real socket."""

import asyncio
import contextlib
import os
import signal
import socket
import threading

import pytest

from mc_sched.service import daemon
from mc_sched.service.heartbeat import Heartbeat
from mc_sched.service.systemd import notify, ping_interval_s


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """The manager's end of the socket; `received` returns one message after another."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


async def received(manager):
    return (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode()


def test_without_a_manager_nothing_is_sent(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [("30000000", "own", 15.0), ("30000000", "1", None), ("0", "own", None), ("", "own", None)],
)
def test_pings_come_at_half_of_the_watchdogs_time(monkeypatch, usec, pid, interval):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert ping_interval_s() == interval


async def test_ready_reload_and_stop_are_notified_in_order(manager, monkeypatch, daemon_signals):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    reloads = []
    serving = asyncio.create_task(daemon.until_stopped(reload=lambda: reloads.append(True)))
    assert await received(manager) == "READY=1"
    os.kill(os.getpid(), signal.SIGHUP)
    assert (await received(manager)).startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert await received(manager) == "READY=1"
    assert reloads == [True]
    os.kill(os.getpid(), signal.SIGTERM)
    assert await received(manager) == "STOPPING=1"
    await asyncio.wait_for(serving, 5)


async def test_the_watchdog_is_fed_only_while_the_agent_makes_progress(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    alive = [True]
    pings = asyncio.create_task(daemon._ping_watchdog(lambda: alive[0]))
    assert await received(manager) == "WATCHDOG=1"
    assert await received(manager) == "WATCHDOG=1"
    alive[0] = False
    await asyncio.sleep(0.05)
    with contextlib.suppress(BlockingIOError):
        while True:  # discard what was sent before
            manager.recv(4096)
    await asyncio.sleep(0.05)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
    pings.cancel()


def test_a_worker_is_steady_unless_it_is_stuck_or_dead():
    leave = threading.Event()
    worker = threading.Thread(target=leave.wait)
    worker.start()
    heartbeat = Heartbeat(worker, stuck_ns=0)
    assert heartbeat.steady
    heartbeat.beat()
    assert not heartbeat.steady
    heartbeat.rest()
    assert heartbeat.steady
    leave.set()
    worker.join()
    assert not heartbeat.steady
