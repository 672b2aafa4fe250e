"""The EdgeAgent service over real connections."""

import asyncio
import contextlib
import json

import grpc
import pytest
from mc_proto.v1 import edge_pb2

from edge_agent import admission
from mc_sched.core import events as ev
from mc_sched.obs.log.trace import is_trace_id
from mc_sched.obs.store.writer import StoreWriter
from tests.edge_agent.edge_rig import LABELS, PATIENCE_S, S, until
from tests.edge_agent.made_images import TEXT, cut_jpeg, huge_png
from tests.edge_agent.service_rig import JPEG, LARGE, new_task, next_outcome


async def refused_as(code, call):
    """Return the sentence of a call that fails with this status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code
    sentence = caught.value.details()
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    return sentence


# --- one image --------------------------------------------------------------------------------


async def test_an_image_is_answered_with_its_labels(agent):
    outcome = await agent.ask(new_task("a", stream_id="door"))
    assert (outcome.task_id, outcome.stream_id, outcome.kind) == ("a", "door", "succeeded")
    assert (outcome.site, outcome.exit, outcome.error) == ("edge", "local", "")
    assert [label.name for label in outcome.prediction.top] == ["cross", "star"]
    assert 0 < outcome.latency_ns < 60 * S
    assert outcome.energy.compute_j > 0


async def test_a_task_without_an_id_gets_one_of_its_own(agent):
    outcomes = [await agent.ask(new_task()) for _ in range(3)]
    assert len({outcome.task_id for outcome in outcomes} - {""}) == 3


async def test_a_task_without_an_id_never_gets_one_that_is_taken(agent):
    agent.patient = True
    first = asyncio.ensure_future(agent.ask(new_task("t1")))
    await until(lambda: agent.net.started == ["t1"])
    agent.patient = False
    second = asyncio.ensure_future(agent.ask(new_task()))
    await asyncio.wait([second], timeout=0.3)
    agent.net.done("t1")
    await first
    assert (await second).kind == "succeeded"


async def test_a_refusal_is_an_outcome_and_not_an_error(agent):
    outcome = await agent.ask(new_task("a", accuracy=0.99))
    assert (outcome.kind, outcome.error) == ("refused", "")
    assert "0.990 is required" in outcome.reason


BAD = {
    "deadline 0": ("deadline_ns", {"deadline": 0}),
    "deadline of a minute and more": ("deadline_ns", {"deadline": 60.1}),
    "accuracy 1.5": ("accuracy", {"accuracy": 1.5}),
    "accuracy below 0": ("accuracy", {"accuracy": -0.1}),
    "accuracy nan": ("accuracy", {"accuracy": float("nan")}),
    "unknown mode": ("mode", {"mode": "fast"}),
    "unknown policy": ("policy", {"policy": "best"}),
    "unknown privacy": ("privacy", {"privacy": "none"}),
    "long id": ("task_id", {"task_id": "x" * 129}),
    "id with a line break": ("task_id", {"task_id": "a\nb"}),
    "long stream id": ("stream_id", {"stream_id": "x" * 129}),
    "no image": ("image", {"image": b""}),
    "text": ("image", {"image": TEXT}),
    "cut jpeg": ("image", {"image": cut_jpeg()}),
    "cut photo": ("image", {"image": cut_jpeg((300, 300))}),
    "100 megapixels": ("image", {"image": huge_png()}),
    "8 MiB and more": ("image", {"image": JPEG.ljust(8 * 2**20 + 1, b"\0")}),
}


@pytest.mark.parametrize("kind", BAD)
async def test_bad_input_is_invalid_and_the_sentence_names_the_field(agent, kind):
    field, fields = BAD[kind]
    sentence = await refused_as(
        grpc.StatusCode.INVALID_ARGUMENT, agent.ask(new_task(**{"task_id": "bad", **fields}))
    )
    assert sentence.startswith(f"{field}: ")
    assert (agent.net.started, agent.held()) == ([], {})
    assert (await agent.ask(new_task("good"))).kind == "succeeded"


async def test_the_deadline_counts_from_the_messages_arrival(agent):
    """The time in which the image waits to be decoded counts."""
    with agent.busy_pool():
        waiting = asyncio.ensure_future(agent.ask(new_task("a", LARGE)))
        await until(lambda: agent.door.waiting == 1)
        await asyncio.sleep(0.1)
    assert (await waiting).latency_ns >= 0.1 * S


async def test_too_many_large_images_are_refused_as_overload(agent, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING", 0)
    outcome = await agent.ask(new_task("a", LARGE, stream_id="door"))
    assert (outcome.task_id, outcome.stream_id, outcome.kind) == ("a", "door", "refused")
    assert outcome.reason.startswith("overload: ")
    assert (await agent.ask(new_task("b"))).kind == "succeeded"


async def test_a_caller_that_disconnects_frees_its_work(agent):
    agent.patient = True
    call = agent.stub.Submit(new_task("a"))
    await until(lambda: agent.net.started == ["a"])
    call.cancel()
    await until(lambda: agent.net.aborted == ["a"])
    agent.net.stopped("a")
    assert agent.held() == {}


# --- the same id twice ------------------------------------------------------------------------


async def test_an_id_that_is_open_is_not_taken_twice(agent):
    agent.patient = True
    first = asyncio.ensure_future(agent.ask(new_task("a")))
    await until(lambda: agent.net.started == ["a"])
    sentence = await refused_as(grpc.StatusCode.INVALID_ARGUMENT, agent.ask(new_task("a")))
    assert sentence == "task_id: 'a' is the id of a task that is still open"
    agent.net.done("a")
    assert (await first).kind == "succeeded"


async def test_an_id_may_be_used_again_when_its_task_is_over(agent):
    for _ in range(3):
        assert (await agent.ask(new_task("a"))).kind == "succeeded"


async def test_a_duplicate_in_a_stream_is_an_error_and_both_have_one_outcome(agent):
    agent.patient = True
    outcomes = asyncio.ensure_future(agent.stream([new_task("a"), new_task("a"), new_task("b")]))
    await until(lambda: agent.driver.known("b"))
    assert agent.net.started == ["a"]
    agent.net.done("a")
    await until(lambda: agent.net.started == ["a", "b"])
    agent.net.done("b")
    ends = [(o.task_id, o.kind, o.error[:8]) for o in await outcomes]
    assert sorted(ends) == [
        ("a", "refused", "task_id:"), ("a", "succeeded", ""), ("b", "succeeded", "")
    ]  # fmt: skip


async def _both_wait(agent):
    await until(lambda: agent.door.waiting == 2)


async def test_duplicates_that_wait_to_be_decoded_have_one_outcome_each(agent):
    with agent.busy_pool():
        waiting = [asyncio.ensure_future(agent.ask(new_task("a", LARGE))) for _ in range(2)]
        await asyncio.wait([asyncio.create_task(_both_wait(agent)), *waiting],
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    ends = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1)
    assert sorted(isinstance(end, grpc.aio.AioRpcError) for end in ends) == [False, True]


async def test_an_id_can_be_used_again_as_soon_as_its_outcome_is_sent(agent):
    late = await agent.ask(new_task("a", deadline=0.05, policy="server"))
    assert late.kind == "late"
    again = await agent.ask(new_task("a"))  # while the cloud has not confirmed the give-up
    assert again.reason != "internal error of the agent; see its event log"


# --- a stream ---------------------------------------------------------------------------------


async def test_every_image_of_a_stream_has_one_outcome(agent):
    outcomes = await agent.stream([new_task(f"t{number}") for number in range(50)])
    assert sorted(o.task_id for o in outcomes) == sorted(f"t{number}" for number in range(50))
    assert {o.kind for o in outcomes} == {"succeeded"}
    assert agent.held() == {}


async def test_a_stream_of_nothing_ends(agent):
    assert await agent.stream([]) == []


async def test_bad_images_are_errors_and_the_stream_continues(agent):
    bad = [new_task(**{"task_id": f"bad{n}", **BAD[kind][1]}) for n, kind in enumerate(BAD)]
    good = [new_task(f"good{number}") for number in range(len(bad))]
    mixed = [message for pair in zip(bad, good, strict=True) for message in pair]
    outcomes = await agent.stream(mixed)
    assert len(outcomes) == len(mixed)
    reports = {o.task_id: o for o in outcomes}
    assert {reports[m.task_id].kind for m in good} == {"succeeded"}
    for message, (field, _) in zip(bad, BAD.values(), strict=True):
        outcome = reports[message.task_id]
        assert (outcome.kind, outcome.reason) == ("refused", outcome.error)
        assert outcome.error.startswith(f"{field}: ")


async def test_outcomes_come_in_the_order_they_end(agent):
    outcomes = asyncio.ensure_future(agent.stream([new_task(i, policy="server") for i in "abc"]))
    await until(lambda: {"a", "b"} <= set(agent.cloud.sent))  # as many as cover the round trip
    agent.replied("b")
    await until(lambda: "c" in agent.cloud.sent)
    agent.replied("c")
    agent.replied("a")
    assert [o.task_id for o in await outcomes] == ["b", "c", "a"]


async def test_outcomes_come_while_the_stream_is_open(agent):
    call = agent.stub.Stream()
    for task_id in "abc":
        await call.write(new_task(task_id))
        outcome = await next_outcome(call)
        assert outcome.task_id == task_id
    await call.done_writing()
    while await asyncio.wait_for(call.read(), PATIENCE_S) is not grpc.aio.EOF:
        pass
    assert await call.code() is grpc.StatusCode.OK


async def test_a_client_that_leaves_its_stream_frees_all_its_work(agent):
    agent.patient = True
    call = agent.stub.Stream()
    for number in range(5):
        await call.write(new_task(f"edge{number}"))
        await call.write(new_task(f"cloud{number}", policy="server"))
    await until(lambda: len(agent.driver._waiting) == 10)
    call.cancel()
    await until(lambda: agent.driver._waiting == {})
    agent.net.stopped("edge0")
    for task_id in tuple(agent.cloud.sent):
        agent.tell(ev.CloudStopped, task_id, "given up")
    assert (agent.net.started, agent.held()) == (["edge0"], {})


async def test_a_leaving_stream_does_not_disturb_another(agent):
    agent.patient = True
    leaving = agent.stub.Stream()
    await leaving.write(new_task("a"))
    await until(lambda: agent.net.started == ["a"])
    staying = asyncio.ensure_future(agent.stream([new_task("b")]))
    await until(lambda: agent.driver.known("b"))
    leaving.cancel()
    await until(lambda: agent.net.aborted == ["a"])
    agent.net.stopped("a")
    await until(lambda: agent.net.started == ["a", "b"])
    agent.net.done("b")
    (outcome,) = await staying
    assert (outcome.task_id, outcome.kind) == ("b", "succeeded")


async def test_a_draining_agent_refuses_what_comes_and_the_stream_stays_open(agent):
    agent.patient = True
    call = agent.stub.Stream()
    await call.write(new_task("a"))
    await until(lambda: agent.net.started == ["a"])
    drain = asyncio.create_task(agent.driver.drain())
    await call.write(new_task("b"))
    outcome = await next_outcome(call)
    assert (outcome.task_id, outcome.kind) == ("b", "refused")
    assert "shutting down" in outcome.reason
    agent.net.done("a")
    assert (await next_outcome(call)).kind == "succeeded"
    await asyncio.wait_for(drain, PATIENCE_S)
    assert (await agent.stub.Status(edge_pb2.StatusRequest())).draining
    call.cancel()


# --- traces -----------------------------------------------------------------------------------

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"


def parent_of(trace_id):
    """A traceparent as a tracing client sends it."""
    return f"00-{trace_id}-00f067aa0ba902b7-01"


def traces(agent):
    """Return the traces in the log's lines, by task."""
    found = {}
    for record in agent.records:
        if "task_id" in record:
            found.setdefault(record["task_id"], set()).add(record.get("trace_id"))
    return found


async def test_a_task_belongs_to_the_trace_that_its_submitter_names(agent):
    metadata = (("traceparent", parent_of(TRACE)),)
    await agent.stub.Submit(new_task("a"), metadata=metadata, timeout=PATIENCE_S)
    named = new_task("b", traceparent=parent_of(OTHER))
    await agent.stub.Submit(named, metadata=metadata, timeout=PATIENCE_S)
    call = agent.stub.Stream(metadata=metadata)
    await call.write(new_task("c"))
    await call.done_writing()
    assert (await next_outcome(call)).task_id == "c"
    assert traces(agent) == {"a": {TRACE}, "b": {OTHER}, "c": {TRACE}}
    (submitted,) = (r for r in agent.logged("Submitted") if r["task_id"] == "a")
    assert submitted["data"]["task"]["trace_id"] == TRACE


async def test_a_task_whose_submitter_names_none_gets_a_trace_of_its_own(agent):
    for task_id in "ab":
        await agent.ask(new_task(task_id, stream_id="s"))
    (a,), (b,) = traces(agent)["a"], traces(agent)["b"]
    assert is_trace_id(a)
    assert is_trace_id(b)
    assert a != b


@pytest.mark.parametrize("given", ["no trace", parent_of("0" * 32), "x" * 5000])
async def test_an_invalid_traceparent_is_noted_and_ignored(agent, given):
    outcome = await agent.ask(new_task("a", traceparent=given))
    assert outcome.kind == "succeeded"
    (note,) = (r for r in agent.logged("note") if "ignored_traceparent" in r["data"])
    assert (note["level"], note["data"]["ignored_traceparent"]) == ("debug", given[:100])
    (submitted,) = agent.logged("Submitted")
    assert is_trace_id(submitted["trace_id"])


async def test_the_trace_is_sent_to_the_cloud(agent):
    offloaded = new_task("a", policy="server", accuracy=0.85, traceparent=parent_of(TRACE))
    waiting = asyncio.ensure_future(agent.ask(offloaded))
    await until(lambda: agent.cloud.sent)
    assert agent.cloud.traces == {"a": TRACE}
    agent.replied("a")
    assert (await waiting).site == "cloud"


async def test_a_second_try_belongs_to_the_trace_of_the_first(agent):
    await agent.ask(new_task("a", traceparent=parent_of(TRACE)))
    await agent.stub.Feedback(edge_pb2.FeedbackRequest(task_id="a"), timeout=PATIENCE_S)
    assert traces(agent)["a+1"] == {TRACE}


async def test_a_failure_is_logged_with_the_ids_that_find_it(agent, caplog):
    agent.patient = True
    waiting = asyncio.ensure_future(agent.ask(new_task("a", traceparent=parent_of(TRACE))))
    await until(lambda: agent.net.started)
    agent.net.failed("a", "out of memory")
    assert (await waiting).kind == "failed"
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert record.getMessage().startswith("task a: failed, ")
    assert record.fields == {"TASK_ID": "a", "TRACE_ID": TRACE}


# --- not satisfied ----------------------------------------------------------------------------


async def test_feedback_runs_the_image_again_one_step_higher(agent):
    first = await agent.ask(new_task("a"))
    again = await agent.stub.Feedback(edge_pb2.FeedbackRequest(task_id="a"), timeout=PATIENCE_S)
    assert (again.task_id, again.kind) == ("a+1", "succeeded")
    assert again.required_accuracy == pytest.approx(first.required_accuracy + 0.05)
    assert [label.name for label in again.prediction.top] == ["cross", "star"]


async def test_feedback_on_an_unknown_task_is_an_error(agent):
    sentence = await refused_as(
        grpc.StatusCode.NOT_FOUND, agent.stub.Feedback(edge_pb2.FeedbackRequest(task_id="x"))
    )
    assert sentence == "task_id: 'x' is not among the last finished tasks"


# --- status -----------------------------------------------------------------------------------


async def status(agent):
    return await agent.stub.Status(edge_pb2.StatusRequest(), timeout=PATIENCE_S)


async def test_the_status_describes_the_agent(agent):
    reply = await status(agent)
    assert (reply.version, reply.bundle, reply.bundle_hash) == ("0.0.1", "small", "the bundle")
    assert (tuple(reply.labels), reply.policy, reply.mode) == (LABELS, "mc", "energy")
    assert (reply.cloud, reply.basic_accuracy, reply.log_dropped) == ("up", 0.75, 0)
    assert (await status(agent)).uptime_ns > reply.uptime_ns > 0


async def test_the_status_counts_tasks(agent):
    await agent.ask(new_task("a"))
    await agent.ask(new_task("b", accuracy=0.99))
    agent.patient = True
    waiting = asyncio.ensure_future(agent.ask(new_task("c")))
    await until(lambda: agent.net.started == ["a", "c"])
    reply = await status(agent)
    assert (reply.outcomes["succeeded"], reply.outcomes["refused"]) == (1, 1)
    assert (reply.sites["edge"], reply.tasks_open, reply.local_busy) == (1, 1, True)
    assert reply.energy_j > 0
    agent.net.done("c")
    await waiting
    assert (await status(agent)).tasks_open == 0


async def test_the_status_names_the_reason_why_the_cloud_is_not_used(agent):
    agent.tell(ev.CloudGone, "the cloud runs another bundle")
    reply = await status(agent)
    assert (reply.cloud, reply.cloud_detail) == ("down", "the cloud runs another bundle")


# --- watch ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def watching(agent, task_id=""):
    """Subscribe with a call, and cancel it at the end."""
    before = len(agent.log._watchers)
    call = agent.stub.Watch(edge_pb2.WatchRequest(task_id=task_id))
    await until(lambda: len(agent.log._watchers) == before + 1)
    yield call
    call.cancel()
    await until(lambda: len(agent.log._watchers) == before)


async def lines(call, count):
    read = [await asyncio.wait_for(call.read(), PATIENCE_S) for _ in range(count)]
    return [json.loads(event.json) for event in read]


async def test_a_watcher_sees_the_log_live(agent):
    async with watching(agent) as call:
        await agent.ask(new_task("a"))
        records = await lines(call, 4)
    assert [r["name"] for r in records] == ["Submitted", "SetTimer", "StartLocal", "LocalDone"]
    assert {r["node"] for r in records} == {"edge"}


async def test_a_watcher_of_one_task_sees_only_that(agent):
    async with watching(agent, "b") as call:
        for task_id in "abc":
            await agent.ask(new_task(task_id))
        records = await lines(call, 8)
    assert {r["task_id"] for r in records} == {"b"}
    assert records[-1]["name"] == "Finish"


async def test_a_watcher_that_does_not_read_delays_no_task(agent, monkeypatch):
    monkeypatch.setattr("edge_agent.servicer.WATCH_QUEUE", 3)
    async with watching(agent) as call:
        outcomes = await agent.stream([new_task(f"t{number}") for number in range(200)])
        assert len(outcomes) == 200
        await lines(call, 3)


async def test_watchers_do_not_share_lines(agent):
    async with watching(agent) as one, watching(agent) as two:
        await agent.ask(new_task("a"))
        assert await lines(one, 5) == await lines(two, 5)


# --- one client among others -------------------------------------------------------------------


async def test_one_client_cannot_have_every_task(agent):
    """Further tasks are refused; the others continue."""
    agent.patient = True
    agent.submissions.set_tasks_per_client(2)
    held = [asyncio.ensure_future(agent.ask(new_task(name))) for name in "ab"]
    await until(lambda: agent.driver.known("a") and agent.driver.known("b"))
    refused = await agent.ask(new_task("c"))
    assert (refused.task_id, refused.kind) == ("c", "refused")
    assert refused.reason == "overload: 127.0.0.1 has 2 tasks open already, the limit per client"
    assert refused.refusal == "too-many-tasks"
    for call in held:
        call.cancel()
    await until(lambda: not agent.driver.known("a") and not agent.driver.known("b"))


# --- the stored log ---------------------------------------------------------------------------


def logs(agent, store, **request):
    """Return a call for the lines of this store."""
    agent.servicer.store = store
    return agent.stub.Logs(edge_pb2.LogsRequest(**request), timeout=PATIENCE_S)


def line(n, text):
    wall = f"2099-01-01T00:00:0{n}.000000+00:00"
    record = {"wall": wall, "node": "edge", "level": "info", "kind": "note", "name": "note"}
    return json.dumps({**record, "data": {"text": text}}).encode()


def written(path):
    store = StoreWriter(path)
    store.append([line(1, "the first"), line(2, "the second"), line(3, "the third")])
    return store


async def test_the_stored_log_is_sent_oldest_first(agent, tmp_path):
    written(tmp_path / "s.db").close()
    for request, found in (
        ({}, ["the first", "the second", "the third"]),
        ({"limit": 2}, ["the second", "the third"]),
        ({"words": ["second"]}, ["the second"]),
    ):
        call = logs(agent, tmp_path / "s.db", **request)
        reports = [json.loads(event.json)["data"]["text"] async for event in call]
        assert reports == found


async def test_the_stored_log_is_followed(agent, tmp_path):
    store = written(tmp_path / "s.db")
    call = logs(agent, tmp_path / "s.db", limit=1, follow=True)
    assert "the third" in (await call.read()).json
    store.append([line(4, "the fourth")])
    assert "the fourth" in (await call.read()).json
    call.cancel()
    store.close()


async def test_an_agent_without_a_store_is_an_error(agent):
    call = logs(agent, None)
    sentence = await refused_as(grpc.StatusCode.FAILED_PRECONDITION, call.read())
    assert "set log_store in its configuration" in sentence


async def test_an_invalid_condition_on_the_log_is_named(agent, tmp_path):
    term = edge_pb2.LogsRequest.Term(field="a b", operator="=")
    call = logs(agent, tmp_path / "s.db", terms=[term])
    assert "not a valid field name" in await refused_as(
        grpc.StatusCode.INVALID_ARGUMENT, call.read()
    )
