"""The supervisor: first starts, restarts with growing pauses, and the end."""

import asyncio
import logging

import pytest

from cloud_agent.devices import Device
from cloud_agent.front import supervisor as module
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.front.supervisor import Supervisor
from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import PATIENCE_S
from tests.cloud_agent.front.test_remote_worker import START, Recorder


class FakeWorker(RemoteWorker):
    """A worker whose processes end at the command of the test."""

    def __init__(self, index=0, fails=""):
        super().__init__(index, Device("cpu", ""), EventLog(None, "cloud"))
        self.attach(Recorder())
        self.fails, self.runs = fails, 0

    async def run(self, start):
        self.runs += 1
        if self.fails:
            return self.fails
        self.died = asyncio.get_running_loop().create_future()
        self.up = True
        self.times_up += 1
        self._came_up.set()
        try:
            return await self.died
        finally:
            self._go_down("")

    def stop(self):
        super().stop()
        if self.up:
            self.died.set_result("it exited with code 0")


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, each of which takes no time."""
    made, sleep = [], asyncio.sleep

    async def note(seconds):
        made.append(seconds)
        await sleep(0)

    monkeypatch.setattr(module.asyncio, "sleep", note)
    return made


def supervise(*workers):
    return Supervisor(workers, lambda worker: START, logging.getLogger("tests.supervisor"))


async def test_all_workers_are_up_when_the_start_is_over():
    workers = [FakeWorker(index) for index in range(3)]
    supervisor = supervise(*workers)
    await asyncio.wait_for(supervisor.start(), PATIENCE_S)
    assert all(worker.up for worker in workers)
    assert supervisor.progressing
    await supervisor.stop()


async def test_the_first_worker_comes_up_before_the_others_start():
    first, second = FakeWorker(0), FakeWorker(1)
    blocked = asyncio.Event()
    run = first.run

    async def later(start):
        await blocked.wait()
        return await run(start)

    first.run = later
    supervisor = supervise(first, second)
    starting = asyncio.create_task(supervisor.start())
    await asyncio.sleep(0.01)
    assert second.runs == 0
    blocked.set()
    await asyncio.wait_for(starting, PATIENCE_S)
    assert (first.up, second.up) == (True, True)
    await supervisor.stop()


async def test_the_agent_does_not_start_without_any_worker(pauses):
    supervisor = supervise(FakeWorker(0, "bundle x: no such bundle"), FakeWorker(1, "no GPU"))
    with pytest.raises(UserError, match=r"^bundle x: no such bundle$"):
        await asyncio.wait_for(supervisor.start(), PATIENCE_S)


async def test_the_agent_starts_with_the_workers_that_come_up(pauses, caplog):
    working, broken = FakeWorker(0), FakeWorker(1, "no GPU")
    supervisor = supervise(working, broken)
    await asyncio.wait_for(supervisor.start(), PATIENCE_S)
    await until_runs(broken, 3)
    assert (working.runs, working.up) == (1, True)
    assert caplog.messages[0] == "worker 1 (cpu) cannot start: no GPU"
    await supervisor.stop()


async def test_a_dead_worker_is_started_again(pauses):
    worker = FakeWorker()
    supervisor = supervise(worker)
    await supervisor.start()
    worker.died.set_result("killed")
    await until_runs(worker, 2)
    assert worker.up
    await supervisor.stop()


async def test_pauses_grow_up_to_a_limit(pauses):
    broken = FakeWorker(1, "no GPU")
    supervisor = supervise(FakeWorker(0), broken)
    await supervisor.start()
    await until_runs(broken, 10)
    await supervisor.stop()
    assert pauses[:9] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


async def test_pauses_begin_anew_after_steady_service(pauses, monkeypatch):
    worker = FakeWorker()
    supervisor = supervise(worker)
    await supervisor.start()
    for runs in (2, 3, 4):
        worker.died.set_result("killed")
        await until_runs(worker, runs)
    monkeypatch.setattr(module, "STEADY_S", -1.0)
    worker.died.set_result("killed")
    await until_runs(worker, 5)
    await supervisor.stop()
    assert [pause for pause in pauses if pause] == [0.1, 0.2, 0.4, 0.1]


async def test_nothing_starts_after_the_stop():
    worker = FakeWorker()
    supervisor = supervise(worker)
    await supervisor.start()
    await asyncio.wait_for(supervisor.stop(), PATIENCE_S)
    assert (worker.runs, worker.up) == (1, False)


async def test_a_worker_that_does_not_stop_is_cancelled(monkeypatch):
    monkeypatch.setattr(module, "STOP_S", 0.01)
    worker = FakeWorker()
    worker.stop = lambda: None
    supervisor = supervise(worker)
    await supervisor.start()
    await asyncio.wait_for(supervisor.stop(), PATIENCE_S)
    assert worker.died.cancelled()


async def until_runs(worker, runs):
    """Wait until a worker has been started so often."""
    while worker.runs < runs or not (worker.up or worker.fails):
        await _turn()


async def _turn():
    """Let the loop run other tasks once."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn
