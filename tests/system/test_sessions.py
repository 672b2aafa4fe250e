"""Ten thousand tasks at once over the sessions of a hundred edges, and a worker that is killed."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mc_proto.channel import connect
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from mc_sched.obs.log.event_log import read_log
from tests.cloud_agent.front.front_rig import ENDS, Client, hello, opened
from tests.system.deployment import PATIENCE_S, SERVING, cloud_daemon, until

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

EDGES, TASKS_EACH = 100, 100
SLACK_BYTES = 20_000_000
"""Memory that the agent may keep."""
CONFIG = """
max_tasks: 1000
limits: {tasks_per_client: 10000, sessions_per_client: 200}
"""
FULL_S = 30.0
"""A budget that lasts for the whole test."""


class Crowd:
    """Edges of one agent, each with its session on a connection of its own."""

    def __init__(self, address, log):
        self.log = log
        self.address, self.control = address, connect(address)
        self.ask = cloud_pb2_grpc.CloudAgentStub(self.control)
        self.clients = []

    async def join(self, count):
        table = await self.ask.Describe(
            cloud_pb2.DescribeRequest(), wait_for_ready=True, timeout=PATIENCE_S
        )
        for number in range(count):
            self.clients.append(Client(connect(self.address)))
            await self.clients[-1].send(hello(f"edge{number}", table.bundle_hash))
        await until(lambda: all(client.credits for client in self.clients))

    async def send(self, tasks_each, image):
        """Send tasks of all edges at once; every third one with a part of its payload only."""
        for number in range(tasks_each):
            head = len(image) // 2 if number % 3 == 0 else None
            request = opened(f"t{number}", image, head, accuracy=0.7, budget_ns=int(FULL_S * 1e9))
            await asyncio.gather(*(client.send(request) for client in self.clients))

    async def give_up(self, tasks_each):
        for edge in range(len(self.clients)):
            requests = [
                cloud_pb2.GiveUpRequest(edge_id=f"edge{edge}", task_id=f"t{number}")
                for number in range(tasks_each)
            ]
            await asyncio.gather(*(self.ask.GiveUp(r, timeout=PATIENCE_S) for r in requests))

    async def is_idle(self):
        reply = await self.ask.Probe(cloud_pb2.ProbeRequest(edge_id="probe"), timeout=PATIENCE_S)
        return reply.queue_ns == 0

    def ends(self):
        """Number of ends by name; assert that no task has two."""
        names = Counter()
        for client in self.clients:
            for task_id in client.messages:
                ended = [name for name in client.names(task_id) if name in ENDS]
                assert len(ended) <= 1
                names.update(ended)
        return names

    async def vanish(self):
        for client in self.clients:
            client.call.cancel()
            await client.channel.close(None)
        self.clients = []

    async def close(self):
        await self.vanish()
        await self.control.close(None)

    def stages_after_their_end(self):
        """Tasks of the log for which a stage was begun when nobody waited for them any more."""
        over, found = set(), []
        for record in read_log(self.log):
            data = record["data"]
            if record["name"] in ("GiveUpReceived", "ClientGone"):
                over.add(data["task_id"])
            elif record["name"] == "Received":
                over.discard(data["task_id"])
            elif record["name"] in ("RunStage", "RunHead"):
                found += over.intersection(data["task_ids"])
        return found


def processes_of(agent):
    """The agent's process, and those of its workers."""
    own = agent.process.pid
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return [own, *map(int, children)]


def memory_bytes(agent):
    """Memory of the front, which holds the payloads; that of a worker is the network's."""
    pages = int(Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agent(profiles, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sessions")
    async with cloud_daemon(
        directory, profiles, "--event-log", directory / "cloud.jsonl", keys=CONFIG
    ) as agent:
        agent.log = directory / "cloud.jsonl"
        yield agent


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(agent):
    crowd = Crowd(agent.address, agent.log)
    yield crowd
    await crowd.close()


async def warm_up(crowd, agent, image):
    """Bring memory to what the agent keeps for as many sessions; return it in bytes."""
    await crowd.join(EDGES)
    await crowd.send(3, image)
    await crowd.give_up(3)
    await until(lambda: sum(crowd.ends().values()) == 3 * EDGES)
    await crowd.vanish()
    await until(crowd.is_idle)
    return memory_bytes(agent)


async def test_ten_thousand_tasks_that_are_given_up_leave_nothing(crowd, agent, frames):
    before = await warm_up(crowd, agent, frames[0])
    await crowd.join(EDGES)
    await crowd.send(TASKS_EACH, frames[0])
    await crowd.give_up(TASKS_EACH)
    await until(lambda: sum(crowd.ends().values()) == EDGES * TASKS_EACH)
    await until(crowd.is_idle)
    assert crowd.ends()["stopped"] > 0
    assert crowd.stages_after_their_end() == []
    await until(lambda: memory_bytes(agent) < before + SLACK_BYTES)


async def test_ten_thousand_tasks_whose_clients_vanish_leave_nothing(crowd, agent, frames):
    before = await warm_up(crowd, agent, frames[0])
    await crowd.join(EDGES)
    await crowd.send(TASKS_EACH, frames[0])
    await crowd.vanish()
    await until(crowd.is_idle)
    assert crowd.stages_after_their_end() == []
    await until(lambda: memory_bytes(agent) < before + SLACK_BYTES)


async def test_a_worker_that_is_killed_costs_its_tasks_and_the_agent_serves_again(
    crowd, agent, frames
):
    await crowd.join(1)
    (client,) = crowd.clients
    health = health_pb2_grpc.HealthStub(crowd.control)
    await client.send(opened("first", frames[0], accuracy=0.7, budget_ns=int(FULL_S * 1e9)))
    assert (await client.end("first"))[0] == "result"
    _, worker = processes_of(agent)
    for number in range(200):
        if number == 60:
            os.kill(worker, signal.SIGKILL)
        request = opened(f"t{number}", frames[0], accuracy=0.7, budget_ns=int(FULL_S * 1e9))
        await client.send(request)
        await asyncio.sleep(0.004)
    await until(lambda: sum(crowd.ends().values()) == 201)
    stopped = [m[-1].stopped for m in client.messages.values() if m[-1].HasField("stopped")]
    assert any(s.failed and "killed by SIGKILL" in s.reason for s in stopped)

    async def is_healthy():
        request = health_pb2.HealthCheckRequest(service="")
        return (await health.Check(request)).status == SERVING

    await until(is_healthy)
    await client.send(opened("last", frames[0], accuracy=0.7, budget_ns=int(FULL_S * 1e9)))
    assert (await client.end("last"))[0] == "result"
    assert "worker 0 (cpu) died: it was killed by SIGKILL" in agent.stderr
