"""Messages that are not valid: a clear end for their task, and the session goes on."""

import asyncio

import grpc
import pytest
from mc_proto.v1 import cloud_pb2

from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import S, until
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.cloud_agent.front.front_rig import chunk, opened

MAX_PAYLOAD = 100_000


@pytest.fixture
async def agent(start):
    return await start(FakeWorker(answers=True), max_payload_bytes=MAX_PAYLOAD)


async def serves_the_next(agent, client):
    await client.send(opened("the next"))
    assert (await client.end("the next"))[0] == "result"
    await until(agent.is_free)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_id", ""),
        ("task_id", "x" * 129),
        ("task_id", "a\nb"),
        ("codec", "webp"),
        ("codec", ""),
        ("payload_bytes", 0),
        ("payload_bytes", 3),
        ("payload_bytes", MAX_PAYLOAD + 1),
        ("payload_bytes", 2**63),
        ("accuracy", 1.5),
        ("accuracy", -0.1),
        ("accuracy", float("nan")),
        ("budget_ns", 0),
        ("budget_ns", 365 * 24 * 3600 * S),
        ("exit_rule", 99),
    ],
)
async def test_a_bad_open_is_rejected_with_the_name_of_the_field(agent, field, value):
    client = await agent.join()
    request = opened(**{field: value})
    await client.send(request)
    end, message = await client.end(request.open.task_id[:128])
    assert (end, message.internal) == ("rejected", False)
    named = "open.head: " if value == 3 else f"open.{field}: "
    assert message.reason.startswith(named)
    assert agent.worker.received == []
    await serves_the_next(agent, client)


async def test_features_of_another_size_are_rejected_before_they_arrive(agent):
    client = await agent.join()
    await client.send(opened(payload=b"value", head=0, codec="features"))
    _, message = await client.end()
    assert message.reason == "open.payload_bytes: 5, but a features payload has 6"


async def test_an_empty_message_is_rejected(agent):
    client = await agent.join()
    await client.send(cloud_pb2.SessionRequest())
    end, message = await client.end("")
    assert (end, message.reason) == ("rejected", "message: is neither open nor chunk")
    await serves_the_next(agent, client)


async def test_a_chunk_of_a_task_that_was_never_opened_is_rejected(agent):
    client = await agent.join()
    await client.send(chunk("a"))
    end, message = await client.end()
    assert end == "rejected"
    assert message.reason == "chunk.task_id: is not open in this session; send open first"
    await client.send(chunk("a"), chunk("a"))
    await serves_the_next(agent, client)
    assert client.names() == ["rejected"]


async def test_a_chunk_of_a_task_that_has_ended_is_ignored(agent):
    client = await agent.join()
    await client.send(opened("a"))
    await client.end("a")
    await client.send(chunk("a"))
    await serves_the_next(agent, client)
    assert client.names() == ["accepted", "result"]


async def test_a_chunk_of_another_sessions_task_does_not_reach_it(start):
    agent = await start()
    one, two = await agent.join(), await agent.join()
    await one.send(opened("a", b"12345678", head=4))
    await until(lambda: len(agent.front.tasks) == 1)
    await two.send(chunk("a", b"xxxx"))
    assert (await two.end())[0] == "rejected"
    await one.send(chunk("a", b"5678"))
    await until(lambda: agent.worker.tasks)
    assert agent.worker.tasks["robot/a"][1] == b"12345678"


async def test_a_payload_longer_than_announced_in_its_chunks_is_rejected(agent):
    client = await agent.join()
    await client.send(opened("a", bytes(1000), head=10), chunk("a", bytes(991)))
    end, message = await client.end()
    assert (end, message.reason) == ("rejected", "payload: longer than the 1000 bytes announced")
    await client.send(chunk("a", bytes(5)))
    await serves_the_next(agent, client)
    assert client.names() == ["rejected"]


async def test_a_chunk_behind_a_complete_payload_ends_the_task_on_its_worker(start):
    agent = await start()
    client = await agent.join()
    await client.send(opened("a"), chunk("a", b"x"))
    end, message = await client.end()
    assert (end, message.reason) == ("rejected", "payload: longer than the 4 bytes announced")
    assert agent.worker.count(ev.ClientGone) == 1
    await until(agent.is_free)


async def test_an_empty_chunk_is_ignored(start):
    agent = await start()
    client = await agent.join()
    await client.send(
        opened("a", head=0), chunk("a", b""), chunk("a"), chunk("a", b""), opened("b")
    )
    await until(lambda: "robot/b" in agent.worker.received)
    agent.worker.answer("robot/a")
    agent.worker.answer("robot/b")
    assert (await client.end("b"))[0] == "result"
    assert client.names("a") == ["result"]
    assert agent.worker.received == ["robot/a", "robot/b"]


async def test_a_payload_that_does_not_arrive_in_its_budget_is_rejected(agent):
    client = await agent.join()
    await client.send(opened("a", bytes(1000), head=10, budget_ns=S // 20))
    end, message = await client.end()
    assert end == "rejected"
    assert message.reason == (
        "payload: only 10 of 1000 bytes arrived in 0.05 s, the task's budget or limits.upload"
    )
    await client.send(chunk("a", bytes(990)))
    await serves_the_next(agent, client)
    assert client.names() == ["rejected"]


async def test_a_slow_sender_holds_no_memory_beyond_the_upload_limit(start):
    agent = await start(FakeWorker(answers=True), upload_ns=S // 10)
    client = await agent.join()
    await client.send(opened("a", bytes(1000), head=10))
    assert "arrived in 0.1 s" in (await client.end())[1].reason
    assert agent.front.tasks.upload_bytes == 0
    await serves_the_next(agent, client)


async def test_an_id_that_is_opened_twice_ends_both(start):
    agent = await start()
    client = await agent.join()
    await client.send(opened("a"), opened("a"))
    end, message = await client.end()
    assert end == "rejected"
    assert message.reason == "open.task_id: was opened twice; both tasks are ended"
    assert agent.worker.count(ev.ClientGone) == 1
    await until(agent.is_free)
    assert client.names() == ["rejected"]
    await client.send(opened("b"))
    await until(lambda: list(agent.worker.tasks) == ["robot/b"])


async def test_an_id_that_is_open_in_another_session_is_rejected_there_only(start):
    agent = await start()
    one, two = await agent.join(), await agent.join()
    await one.send(opened("a"))
    await until(lambda: agent.worker.tasks)
    await two.send(opened("a"))
    end, message = await two.end()
    assert end == "rejected"
    assert message.reason == "open.task_id: is open in another session of this edge"
    agent.worker.answer("robot/a")
    assert (await one.end())[0] == "result"


async def test_what_is_no_trace_is_left_out(start):
    agent = await start()
    client = await agent.join()
    await client.send(opened("a", trace_id="no trace"))
    await until(lambda: agent.worker.tasks)
    assert agent.worker.traces == {"robot/a": ""}


async def test_a_rejection_stands_in_the_log(agent):
    client = await agent.join()
    await client.send(opened("a", codec="webp"))
    await client.end()
    (note,) = [r for r in agent.records if r.get("task_id") == "robot/a"]
    assert note["data"]["rejected"].startswith("open.codec: 'webp' is not a codec of this agent")
    assert agent.front.ends == {("rejected", ""): 1}


# --- memory -----------------------------------------------------------------------------------


async def test_unfinished_payloads_of_a_session_are_bounded(start):
    agent = await start(FakeWorker(answers=True), session_upload_bytes=1000)
    client, other = await agent.join(), await agent.join("other")
    await client.send(opened("a", bytes(900), head=800), opened("b", bytes(900), head=300))
    end, message = await client.end("b")
    assert (end, message.code) == ("refused", "too-many-tasks")
    assert message.reason == (
        "overload: the unfinished payloads of this session would exceed 1000 bytes"
    )
    await other.send(opened("c", bytes(900), head=800), chunk("c", bytes(100)))
    assert (await other.end("c"))[0] == "result"
    await client.send(chunk("a", bytes(100)))
    assert (await client.end("a"))[0] == "result"
    await serves_the_next(agent, client)


async def test_unfinished_payloads_of_all_sessions_are_bounded(start):
    agent = await start(upload_bytes=1000)
    clients = [await agent.join(name) for name in ("one", "two")]
    for client in clients:
        await client.send(opened("a", bytes(900), head=600))
    await until(lambda: any(client.names() for client in clients))
    (refused,) = [client for client in clients if client.names()]
    assert (await refused.end())[1].reason.startswith("overload: the unfinished payloads of all")
    assert agent.front.tasks.upload_bytes == 600
    for client in clients:
        client.call.cancel()
    await until(agent.is_free)


async def test_one_client_cannot_have_every_task(start):
    agent = await start(tasks_per_client=2, max_open=3)
    client = await agent.join()
    await client.send(*(opened(task_id) for task_id in "abc"))
    end, message = await client.end("c")
    assert (end, message.code) == ("refused", "too-many-tasks")
    assert message.reason == ("overload: 127.0.0.1 has 2 tasks open already, the limit per client")
    agent.worker.answer("robot/a")
    await client.end("a")
    await client.send(opened("d"))
    await until(lambda: "robot/d" in agent.worker.tasks)


async def test_the_number_of_open_tasks_is_bounded(start):
    agent = await start(max_open=2)
    client = await agent.join()
    await client.send(*(opened(task_id, bytes(10), head=1) for task_id in "abc"))
    end, message = await client.end("c")
    assert (end, message.reason) == ("refused", "overload: 2 tasks are open already")


async def test_a_client_that_never_reads_is_cut(start):
    agent = await start(unread_bytes=100_000)
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 64)
    client.reads.clear()
    await client.send(opened("a"))
    await until(lambda: agent.worker.tasks)
    while agent.front.sessions:
        for _ in range(100):
            agent.worker.accept("robot/a")
        await asyncio.sleep(0.001)
    await until(agent.is_free)
    (why,) = [note for note in agent.notes("session") if note.startswith("cut: ")]
    assert why.endswith("bytes of messages wait to be read, more than the limit of a session")
    # the reason waits for the client behind the messages that it has not read
    client.reads.set()
    code, sentence = await client.status()
    assert (code, f"cut: {sentence}") == (grpc.StatusCode.RESOURCE_EXHAUSTED, why)
