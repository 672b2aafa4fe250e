"""The client of an edge agent that answers, one that refuses and one that fails."""

import asyncio
import re
import socket
import types

import grpc
import pytest
from mc_proto.channel import bind, make_server
from mc_proto.v1 import edge_pb2

from mc_sched import client, task_stream
from mc_sched.client import Constraints, EdgeClient
from mc_sched.core.task import OutcomeKind, RefusalCode, Site
from mc_sched.errors import ConnectError, UserError
from tests.cli.fake_edge import LABELS, NO_IMAGE, FakeEdge

DEMANDS = Constraints(84_000_000, 0.75, "energy", "mc", "any", "camera")
PATIENCE_S = 10


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.3)


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{probe.getsockname()[1]}"


def frames(count, image=b"jpeg"):
    return [(f"f{number}", image) for number in range(count)]


async def streamed(agent, batch, due_s=None, constraints=DEMANDS):
    async with EdgeClient(agent.address) as it:
        arrivals = due_s or [0.0] * len(batch)
        answers = [answer async for answer in it.stream(batch, arrivals, constraints)]
    assert sorted(answer.outcome.task_id for answer in answers) == sorted(i for i, _ in batch)
    return {answer.outcome.task_id: answer for answer in answers}


# --- one image --------------------------------------------------------------------------------


async def test_an_answer_has_its_labels():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        answer = await it.submit(b"jpeg", DEMANDS, "t7")
    assert (answer.outcome.task_id, answer.outcome.kind) == ("t7", OutcomeKind.SUCCEEDED)
    assert (answer.outcome.site, answer.outcome.energy.total_j) == (Site.EDGE, 0.25)
    assert (answer.labels, answer.error) == (tuple(LABELS), "")


async def test_every_constraint_reaches_the_agent():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        await it.submit(b"jpeg", DEMANDS, "t7")
        await it.submit(b"png", Constraints(5))
    full, bare = agent.seen
    assert (full.task_id, full.stream_id, full.image) == ("t7", "camera", b"jpeg")
    assert (full.deadline_ns, full.accuracy, full.mode) == (84_000_000, 0.75, "energy")
    assert (full.policy, full.privacy) == ("mc", "any")
    assert not bare.HasField("accuracy")
    assert (bare.mode, bare.policy, bare.privacy, bare.stream_id) == ("", "", "", "")


@pytest.mark.parametrize(
    ("constraints", "image", "field"),
    [
        (Constraints(0), b"jpeg", "deadline_ns"),
        (Constraints(5, accuracy=1.5), b"jpeg", "accuracy"),
        (Constraints(5, mode="fast"), b"jpeg", "mode"),
        (Constraints(5), b"", "image"),
        (Constraints(5), NO_IMAGE, "image"),
    ],
)
async def test_bad_input_is_a_value_error_with_the_agents_sentence(constraints, image, field):
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        with pytest.raises(ValueError, match=f"^{field}: "):
            await it.submit(image, constraints)


async def test_no_agent_at_the_address(nobody):
    async with EdgeClient(nobody) as it:
        with pytest.raises(ConnectError, match=nobody):
            await it.submit(b"jpeg", DEMANDS)
        with pytest.raises(ConnectError, match=f"no edge agent answers at {nobody}") as caught:
            await it.status()
    assert "start mc-edge-agent at that address or name another one with --edge" in str(
        caught.value
    )


async def test_a_server_of_another_kind_at_the_address():
    server = make_server()
    address = f"127.0.0.1:{bind(server, '127.0.0.1:0')}"
    await server.start()
    async with EdgeClient(address) as it:
        with pytest.raises(ConnectError, match=f"no edge agent answers at {address}"):
            await it.status()
    await server.stop(None)


async def test_the_status_is_that_of_the_agent():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        assert await it.status() == agent.status


# --- a stream ---------------------------------------------------------------------------------


async def test_every_frame_of_a_stream_is_answered():
    async with FakeEdge().serving() as agent:
        answers = await streamed(agent, frames(20))
    assert {answer.outcome.kind for answer in answers.values()} == {OutcomeKind.SUCCEEDED}
    assert [task.task_id for task in agent.seen] == [f"f{number}" for number in range(20)]


async def test_a_stream_of_nothing_ends():
    async with FakeEdge().serving() as agent:
        assert await streamed(agent, []) == {}


async def test_bad_frames_are_answered_and_the_stream_continues():
    batch = [("a", b"jpeg"), ("b", NO_IMAGE), ("c", b""), ("d", b"jpeg")]
    async with FakeEdge().serving() as agent:
        answers = await streamed(agent, batch)
    kinds = [answers[i].outcome.kind.value for i in "abcd"]
    assert kinds == ["succeeded", "refused", "refused", "succeeded"]
    assert answers["b"].error.startswith("image: ")
    assert answers["b"].outcome.reason == answers["b"].error
    assert answers["a"].error == ""


async def test_an_image_beyond_every_limit_is_answered_and_the_stream_continues():
    batch = [("a", b"jpeg"), ("b", bytes(10 * 2**20)), ("c", b"jpeg")]
    async with FakeEdge().serving() as agent:
        answers = await streamed(agent, batch)
    assert [answers[i].outcome.kind.value for i in "ac"] == ["succeeded", "succeeded"]
    assert answers["b"].outcome.kind is OutcomeKind.REFUSED
    assert answers["b"].error.startswith("image")


@pytest.mark.parametrize("end", ["die", "leave", "abort"])
@pytest.mark.parametrize("after", [0, 1, 7, 19])
async def test_when_the_agent_is_lost_every_frame_still_ends_once(end, after):
    async with FakeEdge(end, after).serving() as agent:
        answers = await asyncio.wait_for(streamed(agent, frames(20)), PATIENCE_S)
    kinds = [answers[f"f{number}"].outcome.kind.value for number in range(20)]
    assert kinds[after:] == ["failed"] * (20 - after)
    # what was answered in the agent's last moment may be lost in transit
    assert set(kinds[:after]) <= {"succeeded", "failed"}
    lost = answers["f19"].outcome
    assert (lost.stream_id, lost.site, lost.prediction) == ("camera", None, None)
    assert re.match("the edge agent (was lost: .|ended the stream)", lost.reason)


async def test_frames_that_were_not_due_yet_end_as_well_when_the_agent_is_lost():
    async with FakeEdge("die", 1).serving() as agent:
        due_s = [0.0, 0.05, 3600.0, 3600.0]
        answers = await asyncio.wait_for(streamed(agent, frames(4), due_s), PATIENCE_S)
    assert answers["f3"].outcome.kind is OutcomeKind.FAILED


async def test_a_stream_without_an_agent_fails_every_frame(nobody):
    absent = types.SimpleNamespace(address=nobody)
    answers = await asyncio.wait_for(streamed(absent, frames(3)), PATIENCE_S)
    assert {answer.outcome.kind for answer in answers.values()} == {OutcomeKind.FAILED}


async def test_no_frame_waits_for_anothers_outcome(monkeypatch):
    monkeypatch.setattr(task_stream, "GRACE_S", 0.5)
    async with FakeEdge("mute").serving() as agent:
        answers = await asyncio.wait_for(streamed(agent, frames(9)), PATIENCE_S)
        assert len(agent.seen) == 9
    assert {answer.outcome.kind for answer in answers.values()} == {OutcomeKind.FAILED}


async def test_frames_leave_at_their_times_and_say_so():
    async with FakeEdge().serving() as agent:
        await streamed(agent, frames(3), [0.0, 0.1, 0.15])
    first, second, third = (task.sent_ns / 1e9 for task in agent.seen)
    assert second - first == pytest.approx(0.1, abs=0.001)
    assert third - first == pytest.approx(0.15, abs=0.001)


async def test_a_frame_without_credit_is_refused_here_and_not_sent():
    async with FakeEdge("mute", after=0, credits=2).serving() as agent:
        async with EdgeClient(agent.address) as it:
            stream = it.stream(frames(5), [0.0] * 5, DEMANDS)
            answers = [await anext(stream) for _ in range(3)]
        assert [task.task_id for task in agent.seen] == ["f0", "f1"]
    assert [a.outcome.task_id for a in answers] == ["f2", "f3", "f4"]
    assert {a.outcome.refusal for a in answers} == {RefusalCode.NO_CREDIT}


async def test_patient_frames_wait_for_a_credit():
    async with FakeEdge(credits=1).serving() as agent, EdgeClient(agent.address) as it:
        stream = it.stream(frames(20), [0.0] * 20, DEMANDS, patient=True)
        answers = [answer async for answer in stream]
    assert {a.outcome.kind for a in answers} == {OutcomeKind.SUCCEEDED}
    # a frame that waited was due when the stream started
    assert answers[-1].outcome.latency_ns >= answers[0].outcome.latency_ns


async def test_an_impatient_image_without_credit_is_refused_at_once():
    async with FakeEdge("mute", credits=1).serving() as agent, EdgeClient(agent.address) as it:
        waiting = asyncio.ensure_future(it.submit(b"jpeg", DEMANDS))
        while not agent.seen:
            await asyncio.sleep(0.01)
        refused = await it.submit(b"jpeg", DEMANDS, patient=False)
        assert refused.outcome.refusal is RefusalCode.NO_CREDIT
        waiting.cancel()


async def test_all_tasks_go_over_one_stream():
    calls = []

    class Counting(FakeEdge):
        async def Stream(self, requests, context):  # noqa: N802 - the wire's name
            calls.append(context)
            async for reply in super().Stream(requests, context):
                yield reply

    async with Counting().serving() as agent, EdgeClient(agent.address) as it:
        await asyncio.gather(*(it.submit(b"jpeg", DEMANDS) for _ in range(5)))
        assert [a async for a in it.stream(frames(3), [0.0] * 3, DEMANDS)]
    assert len(calls) == 1


async def test_the_way_back_of_outcomes_is_sent_along():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        agent.claimed_ns = 10 * 10**9  # far more than it takes
        for _ in range(2):
            await it.submit(b"jpeg", DEMANDS)
        assert [task.return_ns for task in agent.seen] == [0, 0]
        agent.claimed_ns = 1
        for _ in range(2):
            answer = await it.submit(b"jpeg", DEMANDS)
    assert agent.seen[-2].return_ns == 0
    assert 0 < agent.seen[-1].return_ns < answer.outcome.latency_ns * 100


async def test_the_outcome_is_as_the_client_saw_it_beside_what_the_agent_claims():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        answer = await it.submit(b"jpeg", DEMANDS)
        late = await it.submit(b"jpeg", Constraints(1000))
    assert answer.outcome.kind is OutcomeKind.SUCCEEDED
    assert 0 < answer.outcome.latency_ns < DEMANDS.deadline_ns
    assert answer.claimed.latency_ns == late.claimed.latency_ns == 20_000_000
    assert (late.outcome.kind, late.claimed.kind) == (OutcomeKind.LATE, OutcomeKind.SUCCEEDED)


async def test_a_client_that_leaves_frees_its_work():
    async with FakeEdge("mute").serving() as agent:
        async with EdgeClient(agent.address) as it:
            stream = it.stream(frames(2), [0.0, 3600.0], DEMANDS)
            waiting = asyncio.ensure_future(anext(stream))
            while not agent.seen:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
        await asyncio.wait_for(agent.stream_over.wait(), PATIENCE_S)


# --- feedback ---------------------------------------------------------------------------------


async def test_feedback_runs_the_image_again():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        await it.submit(b"jpeg", DEMANDS, "t7")
        answer = await it.feedback("t7")
    assert (answer.outcome.task_id, answer.labels) == ("t7+1", tuple(LABELS))


async def test_feedback_on_an_unknown_task_is_a_user_error():
    async with FakeEdge().serving() as agent, EdgeClient(agent.address) as it:
        with pytest.raises(UserError, match="task_id"):
            await it.feedback("t8")


async def test_feedback_without_an_agent_is_a_user_error(nobody):
    async with EdgeClient(nobody) as it:
        with pytest.raises(ConnectError, match=nobody):
            await it.feedback("t7")


# --- an agent that restarts --------------------------------------------------------------------


class Restarting(FakeEdge):
    """Drains during one call, and is back for the next."""

    def __init__(self, leaves):
        super().__init__()
        self.leaves, self.calls = leaves, 0

    async def Stream(self, requests, context):  # noqa: N802 - the wire's name
        self.calls += 1
        if self.calls > 1:
            async for reply in super().Stream(requests, context):
                yield reply
            return
        yield edge_pb2.StreamReply(credits=10)
        async for request in requests:
            if self.leaves == "refusing":
                outcome = edge_pb2.Outcome(
                    task_id=request.task_id, kind="refused", refusal=RefusalCode.DRAINING.value
                )
                yield edge_pb2.StreamReply(outcomes=[outcome])
            else:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


async def restarted(leaves, reconnect_s):
    async with Restarting(leaves).serving() as agent, EdgeClient(agent.address) as it:
        due_s = [0.0, 0.2, 0.4]
        stream = it.stream(frames(3), due_s, DEMANDS, reconnect_s)
        answers = [answer async for answer in stream]
    return [
        a.outcome.kind for a in sorted(answers, key=lambda a: a.outcome.task_id)
    ], it.lost_reason


async def test_frames_that_a_draining_agent_refuses_are_sent_again_when_it_is_back():
    kinds, lost = await restarted("refusing", reconnect_s=5)
    assert (kinds, lost) == ([OutcomeKind.SUCCEEDED] * 3, "")


async def test_a_failed_agent_loses_only_the_frames_that_were_sent():
    kinds, lost = await restarted("dying", reconnect_s=5)
    assert kinds == [OutcomeKind.FAILED, OutcomeKind.SUCCEEDED, OutcomeKind.SUCCEEDED]
    assert lost == ""


async def test_without_reconnecting_a_refusal_is_an_outcome_and_a_failure_the_end():
    assert (await restarted("refusing", 0))[0] == [OutcomeKind.REFUSED] * 3
    kinds, lost = await restarted("dying", 0)
    assert kinds == [OutcomeKind.FAILED] * 3
    assert "gone" in lost


async def test_an_agent_that_does_not_come_back_is_not_waited_for_longer(monkeypatch):
    monkeypatch.setattr(client, "RETRY_S", 0.05)
    async with FakeEdge(end="die", after=1).serving() as agent, EdgeClient(agent.address) as it:
        stream = it.stream(frames(4), [0.0, 0.1, 0.2, 0.3], DEMANDS, 0.3)
        kinds = [answer.outcome.kind async for answer in stream]
    assert sorted(kinds) == [OutcomeKind.FAILED] * 3 + [OutcomeKind.SUCCEEDED]
    assert it.lost_reason
