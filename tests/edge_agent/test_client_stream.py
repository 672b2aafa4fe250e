"""A client's stream: credits, clocks, and clients that do not keep to the rules."""

import asyncio
import contextlib
import time

import grpc
import pytest
from mc_proto.v1 import edge_pb2

from edge_agent import client_stream
from edge_agent.admission import Admission
from edge_agent.client_stream import ClientStream
from mc_sched.core import events as ev
from mc_sched.core.client_credits import INTERVAL_NS, MOST
from mc_sched.core.task import Site
from tests.edge_agent.edge_rig import MS, PATIENCE_S, S, until
from tests.edge_agent.made_images import image_bytes
from tests.edge_agent.service_rig import JPEG, new_task, next_outcome

BROKEN = JPEG.replace(b"\xff\xdb", b"\xff\xdd", 1)
"""A JPEG whose segments look fine and whose pixels cannot be decoded."""


async def opened(agent):
    """Open a stream; return the call and the first credits."""
    call = agent.stub.Stream()
    reply = await asyncio.wait_for(call.read(), PATIENCE_S)
    assert not reply.outcomes
    return call, reply.credits


# --- credits ----------------------------------------------------------------------------------


async def test_the_first_reply_has_the_credits(agent):
    call, credits = await opened(agent)
    assert credits == MOST
    call.cancel()


async def test_a_task_beyond_the_credits_is_refused_and_the_others_are_served(agent):
    agent.patient = True
    call, credits = await opened(agent)
    for number in range(credits + 3):
        await call.write(new_task(f"t{number}"))
    refused = []
    while len(refused) < 3:
        refused += (await asyncio.wait_for(call.read(), PATIENCE_S)).outcomes
    assert [o.task_id for o in refused] == [f"t{credits + n}" for n in range(3)]
    assert {(o.kind, o.refusal) for o in refused} == {("refused", "no-credit")}
    assert len(agent.driver._waiting) == credits
    status = await agent.stub.Status(edge_pb2.StatusRequest(), timeout=PATIENCE_S)
    assert status.outcomes["refused"] == 3
    assert agent.intake.state().refused == {"no-credit": 3}
    (note,) = (r["data"] for r in agent.logged("note") if "refused_at_intake" in r["data"])
    assert note == {"refused_at_intake": {"no-credit": 1}}  # the others wait for the next note
    call.cancel()
    await until(lambda: agent.driver._waiting == {})


async def test_a_refused_image_is_not_looked_at(agent, monkeypatch):
    agent.patient = True
    call, credits = await opened(agent)
    for number in range(credits):
        await call.write(new_task(f"t{number}"))
    await until(lambda: len(agent.driver._waiting) == credits)
    looked = []
    monkeypatch.setattr(Admission, "at_once", lambda *_: looked.append(1))
    await call.write(new_task("one more"))
    assert (await next_outcome(call)).refusal == "no-credit"
    assert looked == []
    call.cancel()


async def test_single_calls_have_credits_as_well(agent):
    agent.patient = True
    held = [asyncio.ensure_future(agent.ask(new_task(f"t{n}"))) for n in range(MOST)]
    await until(lambda: len(agent.driver._waiting) == MOST)
    refused = await agent.ask(new_task("one more"))
    assert (refused.kind, refused.refusal) == ("refused", "no-credit")
    for call in held:
        call.cancel()
    await until(lambda: agent.driver._waiting == {})
    agent.net.stopped(agent.net.started[0])
    agent.patient = False
    assert (await agent.ask(new_task("later"))).kind == "succeeded"


async def test_a_stream_that_ends_leaves_no_client_behind(agent):
    for _ in range(3):
        await agent.stream([new_task("a")])
        await agent.ask(new_task("b"))
    assert (agent.intake._sources, agent.credits._clients) == ({}, {})


async def test_outcomes_that_end_together_share_a_reply(agent):
    call = SilentCall(*(new_task(f"t{number}", accuracy=0.99) for number in range(5)))
    source = agent.intake.open_stream("client")
    serving = asyncio.ensure_future(ClientStream(call, agent.intake, source, ()).serve())
    await until(lambda: call.written)
    assert [o.task_id for o in call.written[0].outcomes] == [f"t{number}" for number in range(5)]
    serving.cancel()


# --- clocks -----------------------------------------------------------------------------------


async def test_the_deadline_counts_from_the_moment_of_sending(agent):
    call, _ = await opened(agent)
    start_ns = time.monotonic_ns()
    for number, waited_ns in enumerate((0, 5 * S)):
        sent_ns = time.monotonic_ns() - start_ns - waited_ns + 10 * S
        await call.write(new_task(f"t{number}", sent_ns=sent_ns))
        outcome = await next_outcome(call)
        assert outcome.latency_ns >= waited_ns
        assert outcome.latency_ns < waited_ns + 5 * S
    call.cancel()


@pytest.mark.parametrize("others", [True, False])
async def test_a_slow_link_costs_other_clients_no_credits(agent, others):
    one, _ = await opened(agent)
    two, _ = await opened(agent)
    await two.write(new_task("first", sent_ns=10 * S))
    await next_outcome(two)
    for number in range(5):
        if others:
            await one.write(new_task(f"a{number}", deadline=10.0))
            assert (await next_outcome(one)).kind == "succeeded"
        await two.write(new_task(f"b{number}", sent_ns=S, deadline=5.0))
        assert (await next_outcome(two)).refusal == "infeasible"
        await asyncio.sleep(INTERVAL_NS / 1e9)
    assert (agent.credits.size(time.monotonic_ns()) == MOST) is others
    one.cancel()
    two.cancel()


async def test_a_task_that_has_waited_for_its_whole_deadline_is_refused_unseen(agent):
    call, _ = await opened(agent)
    await call.write(new_task("a", sent_ns=10 * S))
    assert (await next_outcome(call)).kind == "succeeded"
    await call.write(new_task("b", sent_ns=S, deadline=0.084))
    outcome = await next_outcome(call)
    assert (outcome.kind, outcome.refusal) == ("refused", "infeasible")
    assert outcome.reason.startswith("overload: of the deadline of 84.0 ms, the task has waited 9")
    assert agent.net.started == ["a"]
    call.cancel()


async def test_time_for_the_way_back_is_kept(agent):
    call, _ = await opened(agent)
    await call.write(new_task("a", deadline=2.0, return_ns=100 * MS))
    await call.write(new_task("b", deadline=2.0, return_ns=1900 * MS))
    await until(lambda: len(agent.logged("Submitted")) == 2)
    tasks = [record["data"]["task"] for record in agent.logged("Submitted")]
    assert tasks[0]["return_ns"] == 100 * MS
    assert tasks[1]["return_ns"] == 500 * MS  # at most a quarter
    call.cancel()


async def test_a_success_that_the_loop_notices_too_late_is_late(agent):
    agent.patient = True
    call, _ = await opened(agent)
    await call.write(new_task("a", deadline=0.3))
    await until(lambda: agent.net.started == ["a"])
    in_time_ns = time.monotonic_ns()
    time.sleep(0.35)  # the loop is busy, and the deadline's timer cannot fire
    agent.driver.handle(ev.LocalDone(in_time_ns, "a", agent.answer))
    outcome = await next_outcome(call)
    assert (outcome.kind, outcome.site) == ("late", Site.EDGE.value)
    assert outcome.latency_ns > 300 * MS
    call.cancel()


# --- damaged images ---------------------------------------------------------------------------


async def test_an_image_that_turns_out_to_be_damaged_is_an_error(agent):
    agent.net.start = lambda task_id, prepare, exit_: agent.run_or_fail(task_id, prepare)
    for task_id in ("a", "a"):  # the id is free again at once
        with pytest.raises(grpc.aio.AioRpcError, match="image: image data is damaged"):
            await agent.ask(new_task(task_id, BROKEN))
    assert agent.held() == {}
    assert (await agent.ask(new_task("good"))).kind == "succeeded"


async def test_a_damaged_image_that_only_the_cloud_has_seen_is_an_error(agent):
    call, _ = await opened(agent)
    await call.write(new_task("a", BROKEN, policy="server", accuracy=0.85))
    await until(lambda: "a" in agent.cloud.sent)
    agent.tell(ev.CloudLost, "a", "payload: image data is damaged")
    outcome = await next_outcome(call)
    assert outcome.error.startswith("image: image data is damaged")
    call.cancel()


async def test_a_sound_image_that_the_cloud_has_lost_is_a_failure(agent):
    call, _ = await opened(agent)
    await call.write(new_task("a", policy="server", accuracy=0.85))
    await until(lambda: "a" in agent.cloud.sent)
    agent.tell(ev.CloudLost, "a", "gone")
    outcome = await next_outcome(call)
    assert (outcome.kind, outcome.error) == ("failed", "")
    call.cancel()


# --- clients that do not keep to the rules ------------------------------------------------------


class SilentCall:
    """A call whose client sends tasks and never reads."""

    def __init__(self, *requests):
        self.requests, self.reads, self.written = list(requests), 0, []

    async def read(self):
        self.reads += 1
        return self.requests.pop(0) if self.requests else await asyncio.Event().wait()

    async def write(self, reply):
        self.written.append(reply)
        if len(self.written) > 1:
            await asyncio.Event().wait()


async def test_a_client_that_does_not_read_is_cut_and_its_memory_is_bounded(agent, monkeypatch):
    monkeypatch.setattr(client_stream, "STALL_S", 0.2)
    monkeypatch.setattr(client_stream, "MAX_UNSENT_BYTES", 2_000)
    call = SilentCall(*(new_task(f"t{number}", accuracy=0.99) for number in range(1000)))
    source = agent.intake.open_stream("client")
    stream = ClientStream(call, agent.intake, source, ())
    with pytest.raises(client_stream.Cut, match="has not read its outcomes"):
        await asyncio.wait_for(stream.serve(), PATIENCE_S)
    assert call.reads < 100
    assert stream._unsent_bytes < 4_000
    agent.intake.close(source)


async def test_a_client_that_never_reads_is_cut(agent, monkeypatch, caplog):
    monkeypatch.setattr(client_stream, "STALL_S", 0.2)
    monkeypatch.setattr(client_stream, "MAX_UNSENT_BYTES", 2_000)
    call = agent.stub.Stream(timeout=PATIENCE_S)
    image = JPEG.ljust(60_000, b"\0")
    task = new_task("x" * 100, image, accuracy=0.99, stream_id="s" * 100)
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        while True:
            await call.write(task)
    assert await call.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    assert "the stream of 127.0.0.1 was cut: the client has not read its outcomes" in caplog.text


async def test_a_client_that_always_sends_without_credit_is_read_slowly(agent, monkeypatch):
    monkeypatch.setattr(client_stream, "PAUSE_S", 0.05)
    agent.patient = True
    call, credits = await opened(agent)
    count = credits + client_stream.PATIENCE + 40
    start = time.monotonic()
    seen = 0
    for number in range(count):
        await call.write(new_task(f"t{number}"))
    while seen < count - credits:
        seen += len((await asyncio.wait_for(call.read(), PATIENCE_S)).outcomes)
    assert time.monotonic() - start > 30 * 0.05
    call.cancel()


async def test_a_large_image_of_a_client_that_leaves_is_forgotten(agent):
    with agent.busy_pool():
        call, _ = await opened(agent)
        await call.write(new_task("a", image_bytes(size=(300, 300))))
        await until(lambda: agent.door.waiting == 1)
        call.cancel()
        await until(lambda: agent.intake._sources == {})
    await until(lambda: agent.door.waiting == 0)
    assert agent.held() == {}
