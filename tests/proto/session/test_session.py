"""A session on real sockets: order and bounds of uploads, ends of tasks, broken agents."""

import asyncio
import contextlib
import time
from collections import Counter

import grpc
import pytest
from mc_proto.channel import UNREAD_BYTES
from mc_proto.session import (
    CHUNK_BYTES,
    CloudConnections,
    SessionEnded,
    give_ups,
)

from mc_sched.link.model import ConstantRate, LinkSpec
from mc_sched.link.relay import Relay
from tests.edge_agent.edge_rig import CLOUD, MS, PATIENCE_S, S, until
from tests.proto.session.fake_cloud_agent import (
    ACCEPTED,
    PROGRESSED,
    REFUSED,
    RESULT,
    STOPPED,
    FakeCloudAgent,
    Reply,
    about,
    is_silent,
)
from tests.proto.session.noting_edge import Edge, opened

# --- the start --------------------------------------------------------------------------------


async def test_open_returns_with_the_first_credits(agent):
    async with opened(agent.address) as edge:
        assert edge.credits == [8]
        assert [hello.edge_id for hello in agent.hellos] == ["robot"]


async def test_a_session_that_cannot_be_opened_says_why(agent):
    agent.refusal = (grpc.StatusCode.FAILED_PRECONDITION, "another bundle")
    with pytest.raises(SessionEnded, match="another bundle") as caught:
        async with opened(agent.address):
            pass
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_address_without_an_agent_gives_no_session():
    agent = FakeCloudAgent(CLOUD)
    await agent.start()
    await agent.crash()
    with pytest.raises(SessionEnded, match="the connection broke") as caught:
        async with opened(agent.address):
            pass
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_a_session_that_gives_no_credits_is_closed(agent):
    agent.credits = 0
    connections = CloudConnections(agent.address)
    edge = Edge(connections)
    with pytest.raises(SessionEnded, match=r"no credits within 0\.05 s"):
        await edge.session.open(0.05)
    await until(lambda: agent.sessions[0].over)
    assert edge.ends == []
    await connections.close()


async def test_an_opening_that_is_cancelled_leaves_nothing(agent):
    agent.credits = 0
    connections = CloudConnections(agent.address)
    edge = Edge(connections)
    opening = asyncio.create_task(edge.session.open(PATIENCE_S))
    await until(lambda: agent.sessions)
    opening.cancel()
    await until(lambda: agent.sessions[0].over)
    await until(lambda: all(job.done() for job in edge.session._jobs))
    await connections.close()


# --- uploads ----------------------------------------------------------------------------------


async def test_a_payload_arrives_complete_and_its_answer_comes_back(agent):
    payload = bytes(number % 251 for number in range(300_000))
    async with opened(agent.address) as edge:
        edge.send("a", payload)
        await edge.end("a")
        assert edge.kinds("a") == ["accepted", "progressed", "result"]
        assert bytes(agent.uploads["a"].payload) == payload
        assert agent.uploads["a"].messages == -(-300_000 // CHUNK_BYTES)
        assert edge.session.open_tasks == 0


async def test_messages_say_when_they_were_sent(agent):
    async with opened(agent.address) as edge:
        opened_ns = time.monotonic_ns()
        edge.send("a")
        await edge.end("a")
        await asyncio.sleep(0.05)
        edge.send("b")
        await edge.end("b")
        sent = [agent.uploads[task_id].sent_ns for task_id in "ab"]
        assert 0 < sent[0] < sent[1] - 50 * MS
        assert sent[1] <= time.monotonic_ns() - opened_ns + PATIENCE_S * S


async def test_the_upload_that_is_due_first_overtakes_the_others_chunk_by_chunk(agent):
    agent.work, agent.chunk_s = is_silent, 0.001
    async with opened(agent.address) as edge:
        large = bytes(200 * CHUNK_BYTES)
        edge.send("last", large, budget_ns=30 * S)
        await until(lambda: "last" in agent.uploads)
        edge.send("first", bytes(3 * CHUNK_BYTES), budget_ns=10 * S)
        edge.send("second", bytes(3 * CHUNK_BYTES), budget_ns=20 * S)
        await until(lambda: "second" in agent.uploads and agent.uploads["second"].complete)
        order = agent.sessions[0].order
        urgent = [task_id for task_id in order if task_id != "last"]
        assert urgent == ["first"] * 3 + ["second"] * 3
        start = order.index("first")
        assert order[start : start + 6] == urgent
        assert not agent.uploads["last"].complete


async def test_a_task_whose_time_is_over_is_not_sent(agent):
    agent.work, agent.chunk_s = is_silent, 0.02
    async with opened(agent.address) as edge:
        edge.send("large", bytes(100 * CHUNK_BYTES), budget_ns=1 * MS)
        edge.send("late", budget_ns=2 * MS)
        assert await edge.end("late") == "stopped"
        await asyncio.sleep(0.1)
        assert "late" not in agent.uploads
        assert agent.given_up == []


async def test_a_task_id_cannot_be_used_twice_at_a_time(agent):
    async with opened(agent.address) as edge:
        edge.send("a")
        with pytest.raises(ValueError, match="task a is open already"):
            edge.send("a")
        assert await edge.end("a") == "result"
        edge.send("a")
        await until(lambda: edge.kinds("a").count("result") == 2)


# --- an agent that does not read --------------------------------------------------------------


async def test_an_agent_that_never_reads_holds_no_memory_for_tasks_that_were_given_up(agent):
    agent.chunk_s = 3600
    async with opened(agent.address) as edge:
        edge.send("first")
        for number in range(300):
            edge.send(f"t{number}", bytes(2**20))
        await asyncio.sleep(0.1)
        assert edge.session.stalled_ns(time.monotonic_ns()) > 10 * MS
        for number in range(300):
            edge.session.give_up(f"t{number}")
        sent = len(agent.sessions[0].order)
        await until(lambda: edge.session.open_tasks <= 3)
        assert len(edge.session._queue) < 30
        assert sent <= 2


async def test_a_slow_link_holds_little_of_an_upload(agent):
    """What has left the device cannot be stopped: at 1 Mbps, 256 KiB are two seconds."""
    agent.work = is_silent
    relay = Relay(LinkSpec(up=ConstantRate(1e6), down=ConstantRate(1e9), rtt_ns=20 * MS))
    port = await relay.start("127.0.0.1", 0, "127.0.0.1", agent.port)
    async with opened(f"127.0.0.1:{port}") as edge:
        edge.send("a", bytes(8 * 2**20))
        await until(lambda: "a" in agent.uploads)
        await asyncio.sleep(1.0)
        upload = edge.session._tasks["a"]
        under_way = upload.sent_bytes - len(agent.uploads["a"].payload)
        assert 0 < under_way <= UNREAD_BYTES + 2 * CHUNK_BYTES
    await relay.close()


# --- give up ----------------------------------------------------------------------------------


async def test_a_give_up_stops_an_upload_at_its_next_chunk(agent):
    agent.work, agent.chunk_s = is_silent, 0.001
    async with opened(agent.address) as edge:
        edge.send("a", bytes(64 * 2**20))
        await until(lambda: "a" in agent.uploads and agent.uploads["a"].messages > 3)
        edge.session.give_up("a")
        await until(lambda: agent.given_up)
        edge.send("b")
        await until(lambda: "b" in agent.uploads)
        assert not agent.uploads["a"].complete
        assert agent.sessions[0].order[-1] == "b"
        assert agent.given_up == ["robot/a"]
        await agent.uploads["a"].send(STOPPED)
        assert await edge.end("a") == "stopped"


async def test_a_task_that_is_given_up_before_it_was_sent_costs_nothing(agent):
    async with opened(agent.address) as edge:
        edge.send("a")
        edge.session.give_up("a")
        assert edge.kinds("a") == []  # not while the caller is still at work
        assert await edge.end("a") == "stopped"
        edge.send("b")
        await edge.end("b")
        assert [*agent.uploads] == ["b"]
        assert agent.given_up == []


async def test_a_give_up_that_has_overtaken_its_task_is_repeated(agent, monkeypatch):
    monkeypatch.setattr(give_ups, "AGAIN_S", 0.001)
    agent.work, agent.forgetful_give_ups = is_silent, 3
    async with opened(agent.address) as edge:
        edge.send("a")
        await until(lambda: "a" in agent.uploads)
        edge.session.give_up("a")
        edge.session.give_up("a")
        await until(lambda: len(agent.given_up) == 4)
        await agent.uploads["a"].send(STOPPED)
        await edge.end("a")
        await asyncio.sleep(0.02)
        assert agent.given_up == ["robot/a"] * 4


async def test_a_give_up_that_fails_is_repeated(agent, monkeypatch):
    monkeypatch.setattr(give_ups, "AGAIN_S", 0.001)
    agent.work, agent.failing_give_ups = is_silent, 2
    async with opened(agent.address) as edge:
        edge.send("a")
        await until(lambda: "a" in agent.uploads)
        edge.session.give_up("a")
        await until(lambda: len(agent.given_up) == 3)
        await agent.uploads["a"].send(STOPPED)
        assert await edge.end("a") == "stopped"


async def test_many_give_ups_at_once_all_arrive(agent):
    agent.work = is_silent
    async with opened(agent.address) as edge:
        for number in range(200):
            edge.send(f"t{number}")
        await until(lambda: len(agent.uploads) == 200)
        for number in range(200):
            edge.session.give_up(f"t{number}")
        await until(lambda: len(agent.given_up) == 200)
        assert len({*agent.given_up}) == 200
        assert agent.most_give_ups <= give_ups.AT_ONCE


async def test_an_unconfirmed_give_up_ends_the_task_after_a_grace(agent, monkeypatch):
    monkeypatch.setattr("mc_proto.session.session.GRACE_S", 0.05)
    agent.work = is_silent
    async with opened(agent.address) as edge:
        edge.send("a")
        await until(lambda: "a" in agent.uploads)
        edge.session.give_up("a")
        assert await edge.end("a") == "stopped"
        await agent.uploads["a"].send(ACCEPTED, RESULT)
        agent.work = FakeCloudAgent(CLOUD).work
        edge.send("b")
        assert await edge.end("b") == "result"
        assert edge.kinds("a") == ["stopped"]


# --- an agent that breaks the protocol --------------------------------------------------------


async def test_messages_about_unknown_tasks_are_ignored(agent):
    async with opened(agent.address) as edge:
        for message in (ACCEPTED, RESULT, STOPPED, {}):
            await agent.sessions[0].send(about("nobody", message))
        edge.send("a")
        assert await edge.end("a") == "result"
        assert {task_id for task_id, _ in edge.happened} == {"a"}


@pytest.mark.parametrize(
    ("messages", "kinds"),
    [
        ((ACCEPTED, RESULT, RESULT), ["accepted", "result"]),
        ((REFUSED, RESULT), ["refused"]),
        ((ACCEPTED, STOPPED, ACCEPTED, RESULT), ["accepted", "stopped"]),
        ((RESULT, ACCEPTED), ["lost"]),
        ((PROGRESSED, ACCEPTED, RESULT), ["lost"]),
        ((ACCEPTED, ACCEPTED, RESULT), ["accepted", "lost"]),
        ((ACCEPTED, REFUSED, STOPPED), ["accepted", "lost"]),
        (({},), ["lost"]),
    ],
)
async def test_a_task_ends_once_whatever_the_agent_sends(agent, messages, kinds):
    async def work(upload):
        if upload.opened.task_id == "a":
            await upload.read_all()
            await upload.send(*messages)
        else:
            await upload.send(ACCEPTED, RESULT)

    agent.work = work
    async with opened(agent.address) as edge:
        edge.send("a")
        await edge.end("a")
        edge.send("b")
        assert await edge.end("b") == "result"
        assert edge.kinds("a") == kinds
        if kinds[-1] == "lost":
            await until(lambda: agent.given_up == ["robot/a"])


async def test_an_answer_to_half_a_payload_is_not_taken(agent):
    async def work(upload):
        await upload.send(ACCEPTED, RESULT)

    agent.work, agent.chunk_s = work, 0.001
    async with opened(agent.address) as edge:
        edge.send("a", bytes(64 * 2**20))
        assert await edge.end("a") == "lost"
        assert "before the payload was complete" in edge.lost[0][1]
        edge.send("b")
        assert await edge.end("b") == "result"
        assert not agent.uploads["a"].complete


async def test_a_listener_that_fails_ends_the_session_and_each_task(agent):
    async with opened(agent.address) as edge:
        edge.on_load = lambda load: 1 / 0
        agent.work = is_silent
        edge.send("a")
        await until(lambda: "a" in agent.uploads)
        await agent.sessions[0].send(Reply(load=Reply.Load()))
        assert await edge.end("a") == "lost"
        assert "ZeroDivisionError" in str(edge.ends[0])


# --- the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["crash", "abort", "close"])
async def test_each_open_task_is_lost_once_and_after_the_end_of_the_session(agent, how):
    agent.work, agent.chunk_s = is_silent, 0.001
    async with opened(agent.address) as edge:
        for number in range(20):
            edge.send(f"t{number}", bytes((number + 1) * 100_000))
        await until(lambda: agent.uploads)
        edge.session.give_up("t0")
        if how == "crash":
            await agent.crash()
        elif how == "abort":
            with contextlib.suppress(Exception):
                await agent.sessions[0].end(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        else:
            await edge.session.close("the edge stops")
        await until(lambda: edge.ends)
        await until(lambda: len(edge.lost) == 20)
        (reason,) = {why for _, why in edge.lost}
        # a write that fails may hide the status of the call from gRPC
        broke = "the connection broke"
        assert reason.startswith(
            {"abort": ("too much", broke), "close": "the edge"}.get(how, broke)
        )
        assert edge.happened[0] == ("", "ended")
        assert set(Counter(edge.happened).values()) == {1}
        edge.send("after")
        edge.session.give_up("after")
        assert await edge.end("after") == "lost"
        assert edge.session.open_tasks == 0


async def test_a_task_that_is_sent_from_a_callback_is_sent(agent):
    async with opened(agent.address) as edge:
        note = edge.on_message

        def answer(message, kind):
            note(message, kind)
            if (message.task_id, kind) == ("a", "result"):
                edge.send("b")

        edge.on_message = answer
        edge.send("a")
        assert await edge.end("b") == "result"
