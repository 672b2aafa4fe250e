"""Uploads: the parts of a payload, its budget, and the order of several."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_proto.session.upload import CHUNK_BYTES, SPARE, Upload, UploadQueue
from mc_proto.v1 import cloud_pb2

Open = cloud_pb2.SessionRequest.Open
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def upload(task_id="t", payload=b"jpeg", now_ns=0, budget_ns=100, **fields):
    opened = Open(task_id=task_id, payload_bytes=len(payload), budget_ns=budget_ns, **fields)
    return Upload(opened, payload, now_ns)


@pytest.mark.parametrize(
    ("size", "count"),
    [(1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (5 * CHUNK_BYTES, 5), (300_000, 10)],
)
def test_a_payload_is_cut_into_the_first_message_and_chunks(size, count):
    payload = bytes(number % 251 for number in range(size))
    task, messages = upload(payload=payload), []
    while not task.is_complete:
        messages.append(task.next_message(0))
    first, *rest = messages
    assert len(messages) == count
    assert all(message.chunk.task_id == "t" for message in rest)
    assert first.open.head + b"".join(message.chunk.data for message in rest) == payload


@quick
@given(
    budget_ns=st.integers(101, 1000),
    reply_in_ns=st.none() | st.integers(0, 1000),
    waited_ns=st.integers(0, 100),
)
def test_the_wait_before_the_first_message_is_subtracted(budget_ns, reply_in_ns, waited_ns):
    task = upload(now_ns=7, budget_ns=budget_ns, reply_in_ns=reply_in_ns)
    opened = task.next_message(7 + waited_ns).open
    assert opened.budget_ns == budget_ns - waited_ns
    assert opened.HasField("reply_in_ns") == (reply_in_ns is not None)
    assert opened.reply_in_ns == max(0, (reply_in_ns or 0) - waited_ns)


@quick
@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["wanted", "given up", "ended"]))))
def test_the_queue_returns_those_that_want_bytes_in_the_order_of_their_deadlines(kinds):
    uploads = [upload(str(n), budget_ns=due) for n, (due, _) in enumerate(kinds)]

    async def take_all():
        queue = UploadQueue()
        for task in uploads:
            queue.put(task)
        for task, (_, kind) in zip(uploads, kinds, strict=True):
            task.given_up = kind == "given up"
            if kind == "ended":
                task.end()
        return [await queue.take() for task in uploads if task.wants_bytes]

    taken = asyncio.run(take_all())
    assert sorted(t.task_id for t in taken) == sorted(t.task_id for t in uploads if t.wants_bytes)
    assert [t.due_ns for t in taken] == sorted(t.due_ns for t in taken)


async def test_take_waits_for_an_upload():
    queue = UploadQueue()
    waiting = asyncio.create_task(queue.take())
    dead = upload("dead")
    dead.end()
    queue.put(dead)
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(upload("a"))
    assert (await waiting).task_id == "a"


async def test_ended_uploads_do_not_pile_up():
    queue = UploadQueue()
    for number in range(1000):
        task = upload(str(number))
        queue.put(task)
        task.end()
        queue.tidy(open_tasks=0)
        assert len(queue) <= SPARE
