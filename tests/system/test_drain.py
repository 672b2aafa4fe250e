"""SIGTERM: running tasks are finished, new ones are refused, and the process exits."""

import asyncio
import contextlib
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mc_proto.channel import connect

from mc_sched.bench.cloud_tasks import CloudTasks
from tests.system.deployment import (
    CLOUD_ONLY,
    NOT_SERVING,
    PATIENCE_S,
    SERVING,
    Stream,
    cloud_daemon,
    demand,
    edge_daemon,
    kinds,
    status,
    until,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

TASKS = 40
"""Enough that a fast machine is still busy when the signal arrives, and below max_tasks."""
WATCHERS = 8
BUDGET_NS = 60 * 10**9


@dataclass
class Left:
    """End of an agent: ends of the running tasks and of a late one, and health states seen."""

    running: list
    late: str
    health: list
    code: int
    stderr: str


class Watch:
    """Records every health state that an agent reports, until it exits."""

    def __init__(self, address):
        self.states = []
        self._job = asyncio.create_task(self._watch(address))

    async def _watch(self, address):
        async with connect(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="")
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for update in stub.Watch(request, wait_for_ready=True):
                    self.states.append(update.status)

    async def begun(self):
        await until(lambda: self.states)

    async def ended(self):
        await asyncio.wait_for(self._job, PATIENCE_S)
        return self.states


# --- the cloud agent --------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drained_cloud(profiles, frames, tmp_path_factory):
    """A cloud agent that got SIGTERM while tasks waited for its network."""
    directory = tmp_path_factory.mktemp("drained-cloud")
    async with cloud_daemon(directory, profiles) as agent:
        watches = [Watch(agent.address) for _ in range(WATCHERS)]
        for watch in watches:
            await watch.begun()
        async with CloudTasks(agent.address, "test") as tasks:
            names = [f"t{n}" for n in range(TASKS)]
            for name in names:
                tasks.send(name, frames[0], BUDGET_NS)
            for name in names:
                kind, _ = await asyncio.wait_for(tasks.next_message(name), PATIENCE_S)
                assert kind == "accepted"
            agent.terminate()
            await until(lambda: tasks.draining)
            tasks.send("late", frames[0], BUDGET_NS)
            late = await asyncio.wait_for(tasks.end("late"), PATIENCE_S)
            running = [await asyncio.wait_for(tasks.end(name), PATIENCE_S) for name in names]
            health = [await watch.ended() for watch in watches]
            yield Left(running, late, health, await agent.exit_code(), agent.stderr)


async def test_a_cloud_agent_finishes_what_it_has_accepted_and_refuses_the_rest(drained_cloud):
    assert drained_cloud.running == ["result"] * TASKS
    assert drained_cloud.late == "refused"
    assert drained_cloud.health == [[SERVING, NOT_SERVING]] * WATCHERS
    assert drained_cloud.code == 0


async def test_a_cloud_agent_leaves_without_a_trace_on_stderr(drained_cloud):
    assert "Traceback" not in drained_cloud.stderr


# --- the edge agent ---------------------------------------------------------------------------


async def test_an_edge_agent_finishes_what_it_has_taken_and_refuses_the_rest(
    deployment, profiles, frames, tmp_path
):
    cloud = deployment.cloud_address
    async with edge_daemon(tmp_path, profiles, cloud, edge_id="drained") as agent:

        async def cloud_is_up():
            return (await status(agent.address)).cloud == "up"

        async def all_are_taken():
            seen = await status(agent.address)
            return seen.tasks_open + sum(seen.outcomes.values()) == TASKS

        await until(cloud_is_up)
        watch = Watch(agent.address)
        await watch.begun()
        demands = demand("drain", CLOUD_ONLY, deadline_s=50, policy="server")
        running = Stream(agent.address, frames, TASKS, 1000, demands)
        await until(all_are_taken)
        agent.terminate()
        late = Stream(agent.address, frames, 5, 1000, demand("late"))
        assert kinds(await running.outcomes()) == {"succeeded": TASKS}
        assert await agent.exit_code() == 0
        assert await watch.ended() == [SERVING, NOT_SERVING]
        await late.ended()
        for answer in late.answers:
            assert answer.outcome.kind.value in ("refused", "failed")
        assert "Traceback" not in agent.stderr
