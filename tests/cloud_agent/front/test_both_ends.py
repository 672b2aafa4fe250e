"""The edge's end of a session and the front's end of it, over real sockets."""

import asyncio
import random

import pytest
from mc_proto.session import CHUNK_BYTES, ENDS

from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import TABLE, until
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.proto.session.noting_edge import opened

TASKS = 300


async def test_a_task_is_answered(start):
    agent = await start(FakeWorker(answers=True, credits=3))
    async with opened(agent.address, bundle_hash=TABLE.bundle_hash) as edge:
        await until(lambda: edge.credits[-1] == 3)
        payload = bytes(number % 251 for number in range(5 * CHUNK_BYTES + 1))
        edge.send("a", payload)
        assert await edge.end("a") == "result"
        assert edge.kinds("a") == ["accepted", "result"]
        assert agent.worker.payload_bytes == len(payload)
        assert edge.loads


@pytest.mark.parametrize("seed", range(3))
async def test_each_of_many_tasks_ends_once_and_nothing_is_left(start, seed):
    """Some are given up: before they are sent, on their way, in the cloud, or too late."""
    draw = random.Random(seed)
    agent = await start(FakeWorker(0, credits=TASKS, answers=True), FakeWorker(1, credits=TASKS))
    async with opened(agent.address, bundle_hash=TABLE.bundle_hash) as edge:
        await until(lambda: edge.credits[-1] >= TASKS)
        for number in range(TASKS):
            task_id = f"t{number}"
            edge.send(task_id, bytes(draw.choice((100, 20_000, 200_000))), accuracy=0.9)
            if draw.random() < 0.5:
                delay_s = draw.choice((0.0, 0.001, 0.05))
                asyncio.get_running_loop().call_later(delay_s, edge.session.give_up, task_id)
            await asyncio.sleep(draw.choice((0, 0, 0.001)))
        # the second worker answers what is left there; the first one has answered at once
        await until(lambda: edge.session.open_tasks == len(agent.workers[1].tasks))
        for key in list(agent.workers[1].tasks):
            agent.workers[1].serve(key)
        await until(lambda: edge.session.open_tasks == 0)
        for number in range(TASKS):
            kinds = edge.kinds(f"t{number}")
            assert sum(kind in (*ENDS, "lost") for kind in kinds) == 1
        ends = {kind for _, kind, _ in edge.messages}
        assert {"accepted", "result", "stopped"} == ends
        assert agent.is_free()
        assert not edge.lost
        stopped = sum(worker.count(ev.GiveUpReceived) for worker in agent.workers)
        assert stopped > 0


async def test_an_edge_whose_tasks_vanish_with_its_connection_leaves_nothing(start):
    agent = await start(FakeWorker(credits=TASKS))
    async with opened(agent.address, bundle_hash=TABLE.bundle_hash) as edge:
        await until(lambda: edge.credits[-1] == TASKS)
        for number in range(TASKS):
            edge.send(f"t{number}", bytes(20_000))
        await until(lambda: len(agent.worker.tasks) > TASKS // 2)
    assert len(edge.lost) == TASKS
    await until(agent.is_free)
