"""SIGTERM: running tasks are finished, new ones are refused, and the process exits."""

import asyncio
import contextlib
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mc_proto.channel import connect
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

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

EOF = grpc.aio.EOF
TASKS = 40
"""Enough that a fast machine is still busy when the signal arrives, and below max_tasks."""
WATCHERS = 8


@dataclass
class Left:
    """End of an agent: outcomes of running and of late tasks, and health states seen."""

    running: list
    late: list
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


async def send_task(stub, table, task_id, image):
    """Send a task that needs the last exit."""
    call = stub.Infer(timeout=PATIENCE_S)
    opened = cloud_pb2.InferRequest.Open(
        task_id=task_id, edge_id="test", codec="jpeg", payload_bytes=len(image), head=image,
        accuracy=table.exits[-1].accuracy["jpeg"], budget_ns=60 * 10**9,
        bundle_hash=table.bundle_hash,
    )  # fmt: skip
    await call.write(cloud_pb2.InferRequest(open=opened))
    return call


async def last_word(call):
    """Return a task's last message by name, or the status of its call."""
    word = None
    try:
        while (message := await asyncio.wait_for(call.read(), PATIENCE_S)) is not EOF:
            word = message.WhichOneof("message")
    except grpc.aio.AioRpcError as error:
        return error.code()
    return word


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drained_cloud(profiles, frames, tmp_path_factory):
    """A cloud agent that got SIGTERM while tasks waited for its network."""
    directory = tmp_path_factory.mktemp("drained-cloud")
    async with cloud_daemon(directory, profiles) as agent, connect(agent.address) as channel:
        stub = cloud_pb2_grpc.CloudAgentStub(channel)
        table = await stub.Describe(
            cloud_pb2.DescribeRequest(), wait_for_ready=True, timeout=PATIENCE_S
        )
        watches = [Watch(agent.address) for _ in range(WATCHERS)]
        for watch in watches:
            await watch.begun()
        calls = [await send_task(stub, table, f"t{n}", frames[0]) for n in range(TASKS)]
        for call in calls:
            first = await asyncio.wait_for(call.read(), PATIENCE_S)
            assert first.WhichOneof("message") == "accepted"
        agent.terminate()
        await until(lambda: is_draining(stub))
        try:
            late = [await last_word(await send_task(stub, table, "late", frames[0]))]
        except grpc.aio.AioRpcError as error:
            late = [error.code()]
        running = [await last_word(call) for call in calls]
        health = [await watch.ended() for watch in watches]
        yield Left(running, late, health, await agent.exit_code(), agent.stderr)


async def is_draining(stub):
    try:
        return (await stub.Probe(cloud_pb2.ProbeRequest(edge_id="test"), timeout=1)).draining
    except grpc.aio.AioRpcError:
        return True  # the agent has exited already


async def test_a_cloud_agent_finishes_what_it_has_accepted_and_refuses_the_rest(drained_cloud):
    assert drained_cloud.running == ["result"] * TASKS
    assert drained_cloud.late in (["refused"], [grpc.StatusCode.UNAVAILABLE])
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
