"""A worker process as the front sees it: its start, its tasks, and each way in which it ends."""

import asyncio
import os
import signal
import sys
import time

import pytest
from mc_proto.v1 import cloud_pb2

from cloud_agent.devices import Device
from cloud_agent.front import remote_worker
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.pipe.messages import Start
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import MS, PATIENCE_S, S, until

START_S = 60.0
"""Longest time that a process may take to start or end on a busy machine."""
SCRIPT = (sys.executable, "-m", "tests.cloud_agent.front.scripted_worker")
START = Start(0, "cpu", "set-a", None, 1, "auto", CloudSettings(), [], True)


def task(task_id):
    now_ns, rule = time.monotonic_ns(), ExitRule.EARLIEST
    return ev.Received(now_ns, f"robot/{task_id}", "robot", 0.5, S, MS, "jpeg", rule)


class Recorder:
    """Replaces the front: records what the worker reports."""

    def __init__(self):
        self.messages, self.grants, self.loads, self.states = [], [], 0, []

    def on_message(self, worker, key, reply, end):
        self.messages.append((key, cloud_pb2.SessionReply.FromString(reply), end))

    def on_grant(self, worker, edge_id, credits):
        self.grants.append((edge_id, credits))

    def on_load(self, worker):
        self.loads += 1

    def on_up(self, worker):
        self.states.append("up")

    def on_down(self, worker, reason):
        self.states.append(reason)


class Rig:
    """A worker with a scripted process."""

    def __init__(self, behaviour, device="cpu"):
        self.front, self.log, self.records = Recorder(), EventLog(None, "cloud"), []
        self.log.subscribe(self.records.append)
        command = (*SCRIPT, behaviour)
        self.worker = RemoteWorker(0, Device(device, ""), self.log, command)
        self.worker.attach(self.front)
        self.running = None

    def start(self):
        self.running = asyncio.create_task(self.worker.run(START))

    async def up(self):
        self.start()
        await asyncio.wait_for(self.worker.until_up(), START_S)
        return self.worker

    async def end(self):
        """The reason why the process has ended."""
        return await asyncio.wait_for(self.running, START_S)

    @property
    def process(self):
        """Its process id."""
        return self.worker.process_id


@pytest.fixture
async def make():
    rigs = []

    def make_rig(behaviour="serves", **options):
        rigs.append(Rig(behaviour, **options))
        return rigs[-1]

    yield make_rig
    for rig in rigs:
        if rig.running is not None:
            rig.running.cancel()
            await asyncio.gather(rig.running, return_exceptions=True)


# --- service ----------------------------------------------------------------------------------


async def test_a_worker_comes_up_with_its_tables(make):
    rig = make()
    assert (rig.worker.up, rig.worker.table) == (False, None)
    worker = await rig.up()
    assert (worker.up, worker.table.bundle_hash) == (True, "the bundle")
    assert rig.front.states == ["up"]


async def test_a_task_is_answered_and_counted(make):
    rig = make()
    worker = await rig.up()
    worker.receive(task("a"), b"payload", "")
    await until(lambda: rig.front.messages)
    ((key, reply, end),) = rig.front.messages
    assert (key, reply.messages[0].task_id, end) == ("robot/a", "a", TaskEnd("result", "final"))
    assert reply.messages[0].result.compute_ns == len(b"payload")
    assert worker.ends == {("result", "final"): 1}
    assert (worker.load.received, rig.front.loads) == (1, 1)


async def test_payloads_of_every_size_arrive_whole_and_in_order(make):
    rig = make()
    worker = await rig.up()
    sizes = [1, 600_000, 18_000, 8 * 2**20, 2**18, 3]
    for number, size in enumerate(sizes):
        worker.receive(task(f"t{number}"), bytes(size), "")
    await until(lambda: len(rig.front.messages) == len(sizes))
    assert [reply.messages[0].result.compute_ns for _, reply, _ in rig.front.messages] == sizes


async def test_credits_are_passed_on(make):
    rig = make()
    worker = await rig.up()
    worker.handle(ev.EdgeJoined(time.monotonic_ns(), "robot"))
    await until(lambda: rig.front.grants)
    assert rig.front.grants == [("robot", 500)]


async def test_after_its_client_is_gone_nothing_is_said_of_a_task(make):
    rig = make()
    worker = await rig.up()
    worker.receive(task("a"), b"payload", "")
    worker.handle(ev.ClientGone(time.monotonic_ns(), "robot/a"))
    worker.receive(task("a"), b"other payload", "")
    await until(lambda: rig.front.messages)
    await asyncio.sleep(0.05)
    (message,) = rig.front.messages  # of the second task, not of the first
    assert message[1].messages[0].result.compute_ns == len(b"other payload")


async def test_the_device_auto_is_named_after_what_torch_found(make):
    rig = make(device="auto")
    assert rig.worker.device == "auto"
    await rig.up()
    assert rig.worker.device == "cpu"


async def test_metrics_are_fetched_on_demand(make):
    rig = make()
    worker = await rig.up()
    before = worker.metrics
    await worker.fresh_metrics(PATIENCE_S)
    assert worker.metrics is not before


# --- ends -------------------------------------------------------------------------------------


async def test_an_orderly_stop_writes_the_log_and_is_no_fault(make):
    rig = make()
    worker = await rig.up()
    worker.stop()
    assert await rig.end() == "it exited with code 0"
    assert rig.records == [{"last": "line"}]
    assert (rig.front.states, worker.up) == (["up"], False)


async def test_a_killed_worker_is_noticed_at_once(make):
    rig = make("silent")
    worker = await rig.up()
    worker.receive(task("a"), b"payload", "")
    os.kill(rig.process, signal.SIGKILL)
    assert await rig.end() == "it was killed by SIGKILL"
    assert rig.front.states == ["up", "it was killed by SIGKILL"]
    worker.receive(task("b"), b"payload", "")  # ignored
    assert (rig.front.messages, worker.up) == ([], False)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("exit", "it exited with code 3"),
        ("fail", "bundle x: no such bundle"),
    ],
)
async def test_a_worker_that_cannot_start_says_why(make, behaviour, reason):
    rig = make(behaviour)
    rig.start()
    assert await rig.end() == reason
    assert rig.front.states == []


async def test_a_command_that_does_not_exist(make):
    rig = make()
    rig.worker._command = ("/no/such/command",)
    rig.start()
    assert (await rig.end()).startswith("it cannot be started: ")


@pytest.mark.parametrize("behaviour", ["garbage", "ready twice", "unreadable", "unknown exit"])
async def test_a_worker_that_sends_garbage_is_killed(make, behaviour):
    rig = make(behaviour)
    rig.start()
    if behaviour.startswith("un"):
        await asyncio.wait_for(rig.worker.until_up(), START_S)
        rig.worker.receive(task("a"), b"payload", "")
    assert (await rig.end()).startswith("it sent ")
    assert (rig.front.messages, rig.worker.up) == ([], False)
    assert rig.front.states in ([], ["up", rig.running.result()])


async def test_a_stopped_worker_is_killed(make, monkeypatch):
    monkeypatch.setattr(remote_worker, "PING_S", 0.02)
    rig = make()
    await rig.up()
    os.kill(rig.process, signal.SIGSTOP)
    assert (await rig.end()).startswith("it hangs: no answer for ")


async def test_a_worker_with_a_stuck_thread_is_killed(make, monkeypatch):
    monkeypatch.setattr(remote_worker, "PING_S", 0.02)
    rig = make("stuck")
    await rig.up()
    assert await rig.end() == "it hangs: its thread 'executor' makes no progress"


async def test_a_worker_that_is_never_ready_is_killed(make, monkeypatch):
    monkeypatch.setattr(remote_worker, "PING_S", 0.02)
    monkeypatch.setattr(remote_worker, "LOADING_S", 0.1)
    rig = make("never ready")
    rig.start()
    assert (await rig.end()).startswith("it was not ready within ")


async def test_another_bundle_on_the_disk_is_not_served(make, monkeypatch):
    rig = make()
    await rig.up()
    os.kill(rig.process, signal.SIGKILL)
    await rig.end()
    monkeypatch.setenv("SCRIPTED_BUNDLE", "another")
    rig.start()
    assert await rig.end() == "the bundle on the disk has changed; restart the agent to use it"


async def test_tasks_that_the_pipe_has_no_room_for_are_refused(make, monkeypatch):
    monkeypatch.setattr(remote_worker, "MAX_WAITING_BYTES", 2 * 2**20)
    rig = make("never reads")
    worker = await rig.up()
    for number in range(8):
        worker.receive(task(f"t{number}"), bytes(2**20), "")
    assert rig.front.messages == []  # never within `receive`
    await until(lambda: rig.front.messages)
    for key, reply, end in rig.front.messages:
        assert f"robot/{reply.messages[0].task_id}" == key
        assert end == TaskEnd("refused", "the worker does not read its pipe")
    assert worker.ends["refused", ""] == len(rig.front.messages) >= 4


async def test_a_worker_dies_with_the_front(tmp_path):
    """Kill a process that has started a worker; the worker goes at once, even a stopped one."""
    code = (
        "import asyncio, os, sys\n"
        "from tests.cloud_agent.front.test_remote_worker import Rig\n"
        "async def main():\n"
        "    rig = Rig('serves')\n"
        "    await rig.up()\n"
        "    print(rig.process, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    front = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    worker = int(await asyncio.wait_for(front.stdout.readline(), START_S))
    os.kill(worker, signal.SIGSTOP)
    front.kill()
    await front.wait()
    await until(lambda: not _is_alive(worker))


def _is_alive(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
