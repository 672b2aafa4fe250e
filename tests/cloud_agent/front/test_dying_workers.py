"""Worker processes that die, hang or send garbage while sessions send tasks to them."""

import asyncio
import itertools
import logging
import os
import signal
import sys

import pytest

from cloud_agent.devices import Device
from cloud_agent.front import remote_worker
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.front.supervisor import Supervisor
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import until
from tests.cloud_agent.front.front_rig import ENDS, opened
from tests.cloud_agent.front.test_remote_worker import SCRIPT, START, START_S

TASKS = 400


class ScriptedWorker(RemoteWorker):
    """A worker with a scripted process, whose start and end the supervisor decides."""

    def __init__(self, index, behaviour="serves"):
        super().__init__(index, Device("cpu", ""), EventLog(None, "cloud"), (*SCRIPT, behaviour))

    @property
    def front(self):
        return self._front

    @front.setter
    def front(self, front):
        self.attach(front)

    @property
    def tasks(self):
        return self._keys

    def start(self):
        """The supervisor starts it."""


@pytest.fixture
async def serve(start):
    """Starts an agent with scripted workers and their supervisor."""
    supervisors = []

    async def serve(*behaviours):
        workers = [ScriptedWorker(index, how) for index, how in enumerate(behaviours)]
        agent = await start(*workers)
        supervisor = Supervisor(workers, lambda worker: START, logging.getLogger("tests.front"))
        supervisors.append(supervisor)
        await asyncio.wait_for(supervisor.start(), START_S)
        return agent

    yield serve
    for supervisor in supervisors:
        await supervisor.stop()


def ends_of(client, task_id):
    return [name for name in client.names(task_id) if name in ENDS]


async def flood(client, numbers, disturb, every=100):
    """Send tasks, and call `disturb` after every few of them."""
    for number in numbers:
        await client.send(opened(f"t{number}"))
        if number % every == every // 2:
            disturb()
        await asyncio.sleep(0.001)


async def check(agent, client, numbers):
    """Every task has one end, nothing is left of it, and the agent serves on."""
    await until(lambda: all(ends_of(client, f"t{number}") for number in numbers))
    ends = [ends_of(client, f"t{number}") for number in numbers]
    assert {len(end) for end in ends} == {1}
    came_up = asyncio.gather(*(worker.until_up() for worker in agent.workers))
    await asyncio.wait_for(came_up, START_S)
    await until(agent.is_free)
    more = [f"more{number}" for number in range(20)]
    await client.send(*(opened(task_id) for task_id in more))
    assert [(await client.end(task_id))[0] for task_id in more] == ["result"] * len(more)
    return [end for (end,) in ends]


async def test_workers_killed_under_load_cost_their_tasks_and_nothing_else(serve):
    agent = await serve("serves", "serves")
    client = await agent.join()
    await until(lambda: client.credits)

    signals = itertools.cycle((signal.SIGSTOP, signal.SIGKILL))

    def stop_then_kill():
        """Stop the first worker, so that it has tasks when it is killed later."""
        if agent.workers[0].up:
            os.kill(agent.workers[0].process_id, next(signals))

    await flood(client, range(TASKS), stop_then_kill)
    ends = await check(agent, client, range(TASKS))
    assert set(ends) == {"result", "stopped"}
    assert ends.count("result") > TASKS / 2
    assert agent.workers[0].times_up >= 2
    assert agent.workers[1].times_up == 1


async def test_a_worker_that_stops_reading_is_killed_and_its_tasks_fail(serve, monkeypatch):
    monkeypatch.setattr(remote_worker, "PING_S", 0.15)
    agent = await serve("serves")
    client = await agent.join()
    await until(lambda: client.credits)
    os.kill(agent.worker.process_id, signal.SIGSTOP)
    await client.send(*(opened(f"t{number}") for number in range(4)))
    ends = await check(agent, client, range(4))
    assert ends == ["stopped"] * 4
    (message,) = client.messages["t0"]
    assert "it hangs" in message.stopped.reason
    assert message.stopped.failed
    assert agent.serving["worker-0"]


async def test_garbage_from_one_worker_harms_no_task_of_the_other(serve):
    agent = await serve("unreadable", "serves")
    client = await agent.join()
    await until(lambda: client.credits)
    numbers = range(60)
    for number in numbers:
        await client.send(opened(f"t{number}"))
        await asyncio.sleep(0.005)
    await until(lambda: all(ends_of(client, f"t{number}") for number in numbers))
    ends = [ends_of(client, f"t{number}") for number in numbers]
    assert {tuple(end) for end in ends} == {("result",), ("stopped",)}
    reasons = [client.messages[f"t{n}"][-1].stopped for n in numbers if ends[n] == ["stopped"]]
    assert {reason.failed for reason in reasons} == {True}
    assert all("it sent a message that no client can read" in r.reason for r in reasons)


def test_the_script_is_started_like_a_worker():
    """Both are modules of this interpreter with the same arguments."""
    assert SCRIPT[:2] == (sys.executable, "-m") == remote_worker.COMMAND[:2]
