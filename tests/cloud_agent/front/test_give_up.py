"""Give-ups on the control connection: they overtake image bytes and stop an upload."""

import asyncio

import pytest
from mc_proto.v1 import cloud_pb2

from cloud_agent.front.edges import EARLY_NS, Edge
from cloud_agent.front.limits import Limits
from mc_sched.core import events as ev
from mc_sched.core.task import MAX_DEADLINE_NS
from tests.cloud_agent.cloud_rig import until
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.cloud_agent.front.front_rig import chunk, opened


async def test_a_give_up_stops_an_upload_and_its_later_chunks_are_ignored(agent):
    client = await agent.join()
    await client.send(opened("a", bytes(50_000), head=10), chunk("a", bytes(10)))
    await until(lambda: agent.front.tasks.upload_bytes == 20)
    assert await agent.give_up("a")
    end, message = await client.end()
    assert (end, message.reason, message.failed) == ("stopped", "the upload was given up", False)
    assert agent.front.tasks.upload_bytes == 0
    await client.send(chunk("a", bytes(100)), opened("b"))
    await until(lambda: agent.worker.received == ["robot/b"])
    assert client.names() == ["stopped"]


async def test_a_give_up_reaches_the_worker_that_has_the_task(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await client.send(opened("a"), opened("b"))
    await until(lambda: len(agent.front.tasks) == 2)
    assert await agent.give_up("b")
    end, message = await client.end("b")
    assert (end, message.reason) == ("stopped", "given up before its first stage")
    assert [worker.count(ev.GiveUpReceived) for worker in agent.workers] == [0, 1]
    agent.worker.answer("robot/a")
    assert (await client.end("a"))[0] == "result"


async def test_a_give_up_of_a_task_that_is_over_or_unknown_is_harmless(start):
    agent = await start(FakeWorker(answers=True))
    assert not await agent.give_up("a")
    client = await agent.join()
    await client.send(opened("a"))
    await client.end()
    assert not await agent.give_up("a")
    assert not await agent.give_up("never")
    await client.send(opened("a"))
    await until(lambda: client.names().count("result") == 2)


async def test_a_give_up_that_overtakes_its_task_stops_it(agent):
    client = await agent.join()
    await until(lambda: agent.front.sessions)
    assert not await agent.give_up("a")
    await client.send(opened("a", bytes(100), head=10), chunk("a", bytes(90)))
    end, message = await client.end()
    assert (end, message.reason) == ("stopped", "given up before it arrived")
    assert agent.worker.received == []
    await client.send(opened("a"))
    await until(lambda: agent.worker.received == ["robot/a"])
    assert client.names() == ["stopped"]


def test_an_early_give_up_is_forgotten():
    edge = Edge("robot", "")
    edge.expect_no_more("a", 0)
    assert not edge.gave_up_early("a", EARLY_NS)
    edge.expect_no_more("a", 0)
    assert edge.gave_up_early("a", EARLY_NS - 1)
    assert not edge.gave_up_early("a", EARLY_NS - 1)


@pytest.mark.parametrize(("owner", "known"), [("robot", True), ("other", False), ("", False)])
async def test_a_give_up_of_another_owner_is_ignored(agent, owner, known):
    hello = cloud_pb2.SessionRequest.Hello(edge_id="robot", bundle_hash="the bundle")
    session = agent.front.join(hello, "robot", "robot")
    session.intake.take(opened("a"), 0)
    assert agent.front.give_up("robot", "a", owner) is known
    assert agent.worker.count(ev.GiveUpReceived) == known
    agent.front.leave(session)


@pytest.mark.parametrize(("owner", "samples"), [("robot", 1), ("other", 0), ("", 0)])
async def test_a_round_trip_from_another_owner_is_ignored(agent, owner, samples):
    hello = cloud_pb2.SessionRequest.Hello(edge_id="robot", bundle_hash="the bundle")
    session = agent.front.join(hello, "robot", "robot")
    agent.front.sample_link("robot", 2**64 - 1, owner)
    agent.front.sample_link("unknown", 5, owner)
    rtts_ns = [e.rtt_ns for e in agent.worker.events if isinstance(e, ev.LinkSampled)]
    assert rtts_ns == [MAX_DEADLINE_NS] * samples
    agent.front.leave(session)


async def test_an_edge_of_another_certificate_cannot_use_its_id(agent):
    hello = cloud_pb2.SessionRequest.Hello(edge_id="robot", bundle_hash="the bundle")
    session = agent.front.join(hello, "robot", "robot")
    client = await agent.join("robot")
    _, sentence = await client.status()
    assert sentence.startswith("hello.edge_id: belongs to another certificate; give each edge")
    agent.front.leave(session)
    await (await agent.join("robot")).send(opened("a"))
    await until(lambda: agent.worker.tasks)


async def test_ten_thousand_tasks_that_are_given_up_leave_nothing(start):
    many = 10_000
    agent = await start(
        FakeWorker(credits=many), **Limits(max_open=many, tasks_per_client=many).__dict__
    )
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == many)
    for number in range(many):
        await client.send(opened(f"t{number}", bytes(200), head=100 + 100 * (number % 2)))
    await until(lambda: len(agent.front.tasks) == many)
    for first in range(0, many, 200):
        numbers = range(first, first + 200)
        assert all(await asyncio.gather(*(agent.give_up(f"t{number}") for number in numbers)))
    await until(agent.is_free)
    await until(lambda: len(client.messages) == many)
    assert {client.names(task_id)[-1] for task_id in client.messages} == {"stopped"}
