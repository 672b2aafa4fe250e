"""The CloudAgent service over real connections, with real stages of plain functions."""

import asyncio
import threading

import grpc
import pytest
from mc_proto.channel import bind, connect, make_server
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

from cloud_agent.calls import Limits
from cloud_agent.servicer import MAX_PADDING_BYTES, CloudServicer
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.executor import StageExecutor
from mc_sched.core.task import ExitRule
from tests.cloud_agent.cloud_rig import (
    LABELS,
    LOGITS,
    PATIENCE_S,
    TABLE,
    Net,
    S,
    make_driver,
    until,
)

EOF = grpc.aio.EOF
NO_IMAGE, CURSED = b"no image", b"cursed"
MAX_PAYLOAD = 100_000
MAX_CALLS = 4


class Agent:
    """An agent without its networks and its process."""

    def __init__(self, exit_rule=ExitRule.ADAPTIVE):
        self.net = Net()
        self.driver, self.machine, self.records = make_driver()
        heat = dict.fromkeys(self.net.heads, 1.0)
        self.executor = StageExecutor(self.net.stages, self.net.heads, heat, self.driver.handle)
        decoders = dict.fromkeys(("jpeg", "features"), self.prepare)
        self.decoder = PayloadDecoder(decoders, self.executor.hold, self.driver.handle)
        self.driver.attach(self.decoder, self.executor)
        self.preparing, self.prepared = threading.Event(), threading.Event()
        self.prepared.set()
        self.server = make_server()
        self.servicer = CloudServicer(
            self.driver, TABLE, LABELS, version="0.0.1",
            limits=Limits(exit_rule, MAX_PAYLOAD, MAX_CALLS),
        )  # fmt: skip
        cloud_pb2_grpc.add_CloudAgentServicer_to_server(self.servicer, self.server)

    def prepare(self, payload):
        self.preparing.set()
        assert self.prepared.wait(PATIENCE_S)
        if payload == NO_IMAGE:
            raise ValueError("not a JPEG or PNG image; send one of these two formats")
        if payload == CURSED:
            raise ZeroDivisionError("division by zero")
        return LOGITS

    async def start(self):
        address = f"127.0.0.1:{bind(self.server, '127.0.0.1:0')}"
        await self.server.start()
        self.data, self.control = connect(address), connect(address)
        self.ask = cloud_pb2_grpc.CloudAgentStub(self.control)
        self.infer = cloud_pb2_grpc.CloudAgentStub(self.data)

    async def stop(self):
        await self.data.close(None)
        await self.control.close(None)
        await self.server.stop(None)
        self.decoder.close()
        self.executor.close()

    async def call(self, *messages):
        """An Infer call with these messages sent; more may follow."""
        call = self.infer.Infer(timeout=PATIENCE_S)
        for message in messages:
            await call.write(message)
        return call

    async def send(self, task_id="a", payload=b"jpeg", **fields):
        """A whole task in one message."""
        return await self.call(opened(task_id, payload, **fields))

    async def give_up(self, task_id, edge_id="robot"):
        request = cloud_pb2.GiveUpRequest(task_id=task_id, edge_id=edge_id)
        return (await self.ask.GiveUp(request, timeout=PATIENCE_S)).known

    def is_free(self):
        """Return True if nothing is left of any task."""
        held = self.executor._activations or self.decoder._payloads
        return not self.driver.calls and self.machine.is_idle and not held


@pytest.fixture
async def agent():
    made = Agent()
    await made.start()
    yield made
    made.prepared.set()
    await made.stop()


def opened(task_id="a", payload=b"jpeg", head=None, **fields):
    """An open message; `head` bytes of the payload travel in it, by default all."""
    given = {
        "task_id": task_id, "edge_id": "robot", "codec": "jpeg", "payload_bytes": len(payload),
        "accuracy": 0.9, "budget_ns": 60 * S, "exit_rule": common_pb2.EXIT_RULE_EARLIEST,
        "bundle_hash": "the bundle", "head": payload[:head], **fields,
    }  # fmt: skip
    return cloud_pb2.InferRequest(open=cloud_pb2.InferRequest.Open(**given))


def chunk(content):
    return cloud_pb2.InferRequest(chunk=content)


async def messages_of(call):
    """All messages of the agent, up to the end of the call."""
    messages = []
    while (message := await asyncio.wait_for(call.read(), PATIENCE_S)) is not EOF:
        messages.append(message)
    return messages


async def names(call):
    """Names of the agent's messages, without progress."""
    messages = [message.WhichOneof("message") for message in await messages_of(call)]
    return [name for name in messages if name != "progressed"]


async def turned_away(call):
    """Status and sentence of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await messages_of(call)
    sentence = caught.value.details()
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    return caught.value.code(), sentence


# --- traces -----------------------------------------------------------------------------------

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def traces(agent):
    """Traces in the lines of the log that are about a task."""
    return {record.get("trace_id") for record in agent.records if "task_id" in record}


async def test_the_log_has_the_trace_that_the_edge_sent(agent):
    assert await names(await agent.send(trace_id=TRACE)) == ["accepted", "result"]
    await until(agent.is_free)
    assert traces(agent) == {TRACE}
    assert len(agent.records) > 4


async def test_a_trace_is_known_before_the_payload_has_arrived(agent):
    call = await agent.call(opened(payload=b"0123456789", head=2, trace_id=TRACE))
    await until(lambda: agent.driver.calls and next(iter(agent.driver.calls.values())).receiving)
    assert await agent.give_up("a")
    assert await names(call) == ["stopped"]
    await until(agent.is_free)
    assert traces(agent) == {TRACE}


async def test_what_is_no_trace_is_left_out(agent):
    assert await names(await agent.send(trace_id="no trace")) == ["accepted", "result"]
    assert traces(agent) == {None}


# --- description and probes -------------------------------------------------------------------


async def test_it_describes_what_it_hosts(agent):
    reply = await agent.ask.Describe(cloud_pb2.DescribeRequest())
    assert (reply.network, reply.bundle_hash, reply.version) == ("cloud", "the bundle", "0.0.1")
    assert tuple(reply.stage_ns) == TABLE.stage_ns
    assert [(e.name, e.stage, e.accuracy["jpeg"]) for e in reply.exits] == [
        (e.name, e.stage, e.accuracy["jpeg"]) for e in TABLE.exits
    ]


async def probe(agent, **fields):
    return await agent.ask.Probe(cloud_pb2.ProbeRequest(edge_id="robot", **fields))


async def test_a_probe_tells_the_load(agent):
    idle = await probe(agent)
    assert (idle.queue_ns, idle.bundle_hash, idle.draining) == (0, "the bundle", False)
    agent.net.hold_up(0)
    calls = [await agent.send(task_id) for task_id in "abc"]
    await until(lambda: agent.driver.load().tasks == 3)
    assert (await probe(agent)).queue_ns > 0
    agent.net.let_go(0)
    for call in calls:
        assert (await names(call))[-1] == "result"


async def test_a_probe_brings_the_round_trip_of_its_edge(agent):
    await probe(agent)
    assert agent.records == []  # nothing measured yet
    await probe(agent, last_rtt_ns=4_000_000)
    (record,) = agent.records
    assert (record["name"], record["data"]["rtt_ns"]) == ("LinkSampled", 4_000_000)
    assert record["data"]["edge_id"] == "robot"


async def test_a_padded_probe_is_answered_with_the_padding_that_it_asks_for(agent):
    reply = await probe(agent, padding=bytes(8_000), reply_padding_bytes=5_000)
    assert len(reply.padding) == 5_000
    assert reply.held_ns > 0
    assert len((await probe(agent, reply_padding_bytes=2**31)).padding) == MAX_PADDING_BYTES


# --- one task ---------------------------------------------------------------------------------


async def test_a_task_is_accepted_and_answered(agent):
    accepted, *_, result = await messages_of(await agent.send(accuracy=0.75))
    assert (accepted.accepted.exit, result.result.exit) == ("exit2", "exit2")
    top = result.result.prediction.top
    assert (len(top), top[0].name, top[0].index) == (5, "star", 1)
    assert result.result.compute_ns > 0
    assert agent.net.ran == ["stage0", "stage1", "exit2"]
    await until(agent.is_free)


async def test_a_payload_may_come_in_chunks(agent):
    payload = bytes(range(256)) * 100
    call = await agent.call(opened("a", payload, head=100))
    for start in range(100, len(payload), 5000):
        await call.write(chunk(payload[start : start + 5000]))
    assert await names(call) == ["accepted", "result"]


async def test_the_edge_gets_the_time_that_its_task_was_held_before_acceptance(agent):
    agent.prepared.clear()
    call = await agent.send()
    await until(agent.preparing.is_set)
    await asyncio.sleep(0.05)
    agent.prepared.set()
    assert (await messages_of(call))[0].accepted.held_ns >= 0.05 * S


async def test_a_task_that_no_exit_can_serve_is_refused_with_the_reason(agent):
    (refused,) = await messages_of(await agent.send(accuracy=0.95))
    assert refused.refused.reason.startswith("the best exit reaches accuracy 0.900")
    (refused,) = await messages_of(await agent.send(budget_ns=1))
    assert refused.refused.reason.startswith("the first acceptable exit needs")
    assert agent.net.ran == []
    await until(agent.is_free)


@pytest.mark.parametrize(
    ("own_rule", "exit_"), [(ExitRule.EARLIEST, "exit1"), (ExitRule.PURSUE, "final")]
)
async def test_a_task_that_names_no_exit_rule_gets_the_agents(own_rule, exit_):
    agent = Agent(own_rule)
    await agent.start()
    call = await agent.send(accuracy=0.5, exit_rule=common_pb2.EXIT_RULE_UNSPECIFIED)
    assert (await messages_of(call))[-1].result.exit == exit_
    await agent.stop()


async def test_a_failing_network_is_reported_as_a_stop(agent):
    agent.executor._heads = {}
    *_, stopped = await messages_of(await agent.send())
    assert stopped.stopped.reason.startswith("the network failed: KeyError")
    await until(agent.is_free)


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_id", ""),
        ("task_id", "x" * 129),
        ("task_id", "a\nb"),
        ("edge_id", ""),
        ("codec", "webp"),
        ("codec", ""),
        ("payload_bytes", 0),
        ("payload_bytes", MAX_PAYLOAD + 1),
        ("accuracy", 1.5),
        ("accuracy", float("nan")),
        ("budget_ns", 0),
        ("budget_ns", 61 * S),
    ],
)
async def test_a_bad_open_is_invalid_and_the_sentence_names_the_field(agent, field, value):
    code, sentence = await turned_away(await agent.call(opened(**{field: value})))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence.startswith(f"open.{field}: ")
    assert agent.is_free()


@pytest.mark.parametrize("first", [chunk(b"jpeg"), cloud_pb2.InferRequest()], ids=["chunk", "none"])
async def test_a_call_begins_with_open(agent, first):
    code, sentence = await turned_away(await agent.call(first))
    assert (code, sentence) == (
        grpc.StatusCode.INVALID_ARGUMENT, "open: must be the first message of Infer"
    )  # fmt: skip


async def test_a_call_without_a_message_is_invalid(agent):
    call = await agent.call()
    await call.done_writing()
    assert (await turned_away(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_another_bundle_is_a_failed_precondition(agent):
    code, sentence = await turned_away(await agent.send(bundle_hash="another bundle"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert sentence.startswith("open.bundle_hash: the edge runs another bundle; install")


async def test_a_payload_that_ends_early_is_invalid(agent):
    call = await agent.call(opened("a", bytes(1000), head=10), chunk(bytes(90)))
    await call.done_writing()
    assert await turned_away(call) == (
        grpc.StatusCode.INVALID_ARGUMENT, "payload: ended after 100 of 1000 bytes"
    )  # fmt: skip
    await until(agent.is_free)


@pytest.mark.parametrize("head", [10, 1001], ids=["in its chunks", "in its head"])
async def test_a_payload_that_is_longer_than_announced_is_invalid(agent, head):
    call = await agent.call(opened("a", bytes(1001), head=head, payload_bytes=1000))
    if head < 1000:
        await call.write(chunk(bytes(991)))
    assert await turned_away(call) == (
        grpc.StatusCode.INVALID_ARGUMENT, "payload: longer than the 1000 bytes announced"
    )  # fmt: skip
    await until(agent.is_free)


async def test_a_payload_that_is_no_image_is_invalid_and_the_next_call_is_served(agent):
    code, sentence = await turned_away(await agent.send("a", NO_IMAGE))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence == "payload: not a JPEG or PNG image; send one of these two formats"
    assert await names(await agent.send("b")) == ["accepted", "result"]
    await until(agent.is_free)


async def test_an_error_of_the_agents_own_is_internal_without_its_trace(agent):
    code, sentence = await turned_away(await agent.send("a", CURSED))
    assert (code, sentence) == (grpc.StatusCode.INTERNAL, "payload: division by zero")
    assert await names(await agent.send("b")) == ["accepted", "result"]


async def test_an_upload_that_outlasts_its_budget_is_cut(agent):
    call = await agent.call(opened("a", bytes(1000), head=10, budget_ns=S // 20))
    code, sentence = await turned_away(call)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert sentence.startswith("the upload took longer than 0.05 s, the task's budget")
    await until(agent.is_free)


async def test_a_slow_sender_holds_no_memory_beyond_the_upload_limit(agent):
    """This holds for any budget, and also before the first message."""
    agent.servicer.set_limits(Limits(max_calls=MAX_CALLS, upload_s=0.1))
    for messages in ((opened("a", bytes(1000), head=10),), ()):
        code, sentence = await turned_away(await agent.call(*messages))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "took longer than 0.1 s" in sentence
    await until(agent.is_free)


async def test_one_edge_cannot_have_every_task(agent):
    agent.servicer.set_limits(Limits(max_calls=MAX_CALLS, tasks_per_client=1))
    agent.net.hold_up(0)
    first = await agent.send("a")
    await until(lambda: agent.net.is_in(0))
    assert await turned_away(await agent.send("b")) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "overload: 127.0.0.1 has 1 tasks open already, the limit per client",
    )  # fmt: skip
    agent.net.let_go(0)
    assert await names(first) == ["accepted", "result"]


# --- the same id, too many calls --------------------------------------------------------------


async def test_a_task_that_is_open_already_is_not_accepted_twice(agent):
    agent.net.hold_up(0)
    first = await agent.send("a")
    await until(lambda: agent.net.is_in(0))
    assert await turned_away(await agent.send("a")) == (
        grpc.StatusCode.ALREADY_EXISTS, "task robot/a is open already"
    )  # fmt: skip
    agent.net.let_go(0)
    assert await names(first) == ["accepted", "result"]


async def test_edges_with_the_same_task_ids_do_not_disturb_each_other(agent):
    agent.net.hold_up(0)
    one = await agent.send("a", edge_id="one")
    await until(lambda: agent.net.is_in(0))
    two = await agent.send("a", edge_id="two")
    await until(lambda: agent.driver.load().tasks == 2)
    assert await agent.give_up("a", edge_id="one")
    agent.net.let_go(0)
    assert await names(one) == ["accepted", "stopped"]
    assert await names(two) == ["accepted", "result"]


async def test_an_id_may_be_used_again_when_its_task_is_over(agent):
    for _ in range(3):
        assert await names(await agent.send("a")) == ["accepted", "result"]
        await until(agent.is_free)


async def test_an_id_may_be_sent_again_after_a_hang_up(agent):
    """A restarted edge does this while a stage of its old task still runs."""
    agent.net.hold_up(0)
    first = await agent.send("a")
    await until(lambda: agent.net.is_in(0))
    first.cancel()
    await until(lambda: not agent.driver.calls)
    second = await agent.send("a")
    await asyncio.sleep(0.05)  # it arrives, or is turned away
    agent.net.let_go(0)
    try:
        end = (await names(second))[-1]
    except grpc.aio.AioRpcError as error:
        end = error.code()
    assert end in ("result", grpc.StatusCode.ALREADY_EXISTS)
    assert [r for r in agent.records if r["level"] == "critical"] == []


async def test_too_many_calls_are_resource_exhausted_until_one_ends(agent):
    uploading = [
        await agent.call(opened(f"t{number}", bytes(1000), head=10)) for number in range(MAX_CALLS)
    ]
    await until(lambda: len(agent.driver.calls) == MAX_CALLS)
    assert await turned_away(await agent.send("more")) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"overload: {MAX_CALLS} calls are open already"
    )  # fmt: skip
    uploading[0].cancel()
    await until(lambda: len(agent.driver.calls) == MAX_CALLS - 1)
    assert await names(await agent.send("more")) == ["accepted", "result"]


# --- give up ----------------------------------------------------------------------------------


async def test_a_give_up_during_the_upload_stops_the_receiving(agent):
    call = await agent.call(opened("a", bytes(50_000), head=10), chunk(bytes(10)))
    await until(lambda: agent.driver.calls and agent.driver.calls["robot/a"].receiving)
    assert await agent.give_up("a")
    (stopped,) = await messages_of(call)
    assert stopped.stopped.reason == "the upload was given up"
    await until(agent.is_free)


async def test_a_give_up_while_the_image_is_prepared_runs_no_stage(agent):
    agent.prepared.clear()
    call = await agent.send()
    await until(agent.preparing.is_set)
    assert await agent.give_up("a")
    agent.prepared.set()
    (stopped,) = await messages_of(call)
    assert stopped.stopped.reason == "given up before its first stage"
    assert agent.net.ran == []
    await until(agent.is_free)


@pytest.mark.parametrize("stage", [0, 1, 2])
async def test_a_give_up_during_a_stage_runs_no_further_one(agent, stage):
    agent.net.hold_up(stage)
    call = await agent.send()
    await until(lambda: agent.net.is_in(stage))
    assert await agent.give_up("a")
    agent.net.let_go(stage)
    assert await names(call) == ["accepted", "stopped"]
    assert agent.net.ran == [f"stage{number}" for number in range(stage + 1)]
    await until(agent.is_free)


async def test_a_give_up_is_answered_while_a_stage_runs(agent):
    agent.net.hold_up(1)
    call = await agent.send()
    await until(lambda: agent.net.is_in(1))
    for task_id in ("never", "a", "a"):
        assert await agent.give_up(task_id) == (task_id == "a")
    agent.net.let_go(1)
    assert (await messages_of(call))[-1].stopped.compute_ns > 0


async def test_a_give_up_of_a_task_that_is_over_is_harmless(agent):
    await messages_of(await agent.send())
    await until(agent.is_free)
    assert not await agent.give_up("a")
    assert [r for r in agent.records if r["level"] == "critical"] == []


# --- clients that vanish ----------------------------------------------------------------------


async def test_a_client_that_vanishes_during_its_upload_is_forgotten(agent):
    call = await agent.call(opened("a", bytes(1000), head=10))
    await until(lambda: agent.driver.calls)
    call.cancel()
    await until(agent.is_free)
    assert agent.net.ran == []


async def test_a_client_that_vanishes_while_its_image_is_prepared_runs_no_stage(agent):
    agent.prepared.clear()
    call = await agent.send()
    await until(agent.preparing.is_set)
    call.cancel()
    await until(lambda: not agent.driver.calls)
    agent.prepared.set()
    assert await names(await agent.send("b", accuracy=0.5)) == ["accepted", "result"]
    assert agent.net.ran == ["stage0", "exit1"]  # of the other task
    await until(agent.is_free)


async def test_a_client_that_vanishes_during_a_stage_runs_no_further_one(agent):
    agent.net.hold_up(1)
    call = await agent.send()
    await until(lambda: agent.net.is_in(1))
    call.cancel()
    await until(lambda: not agent.driver.calls)
    agent.net.let_go(1)
    await until(agent.is_free)
    assert agent.net.ran == ["stage0", "stage1"]


async def test_a_connection_that_breaks_frees_all_its_calls(agent):
    agent.net.hold_up(0)
    for task_id in "abc":
        await agent.send(task_id)
    await until(lambda: agent.driver.load().tasks == 3)
    await agent.data.close(None)
    await until(lambda: not agent.driver.calls)
    agent.net.let_go(0)
    await until(agent.is_free)
    assert agent.net.ran == ["stage0"]


# --- drain ------------------------------------------------------------------------------------


async def test_a_draining_agent_finishes_what_runs_and_refuses_what_comes(agent):
    agent.net.hold_up(0)
    running = await agent.send("a")
    await until(lambda: agent.net.is_in(0))
    drain = asyncio.create_task(agent.driver.drain())
    await until(lambda: agent.driver.draining)
    assert (await probe(agent)).draining
    (refused,) = await messages_of(await agent.send("b"))
    assert refused.refused.reason == "the agent is shutting down"
    agent.net.let_go(0)
    assert await names(running) == ["accepted", "result"]
    await asyncio.wait_for(drain, PATIENCE_S)


# --- codecs -----------------------------------------------------------------------------------


async def test_it_describes_its_codecs(agent):
    reply = await agent.ask.Describe(cloud_pb2.DescribeRequest())
    assert [(c.name, c.stage, c.decode_ns, c.payload_bytes) for c in reply.codecs] == [
        ("jpeg", 0, 0, 0),
        ("features", 1, 1_000_000, 6),
    ]


async def test_features_enter_behind_the_cut(agent):
    call = await agent.send(payload=b"values", codec="features")
    assert (await names(call))[-1] == "result"
    assert agent.net.ran == ["stage1", "stage2", "final"]


async def test_features_of_another_size_are_refused_before_they_are_read(agent):
    code, sentence = await turned_away(await agent.send(payload=b"value", codec="features"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence == "open.payload_bytes: 5, but a features payload has 6"
    await until(agent.is_free)


async def test_an_unknown_codec_is_refused_with_the_known_ones(agent):
    code, sentence = await turned_away(await agent.send(codec="webp"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence == "open.codec: 'webp' is not a codec of this agent; use jpeg or features"


# --- its part of the story --------------------------------------------------------------------


async def test_the_last_message_carries_the_tasks_story(agent):
    messages = await messages_of(await agent.send(accuracy=0.75))
    assert [message for message in messages[:-1] if message.story] == []
    story = [(moment.name, moment.detail) for moment in messages[-1].story]
    assert story == [
        ("Received", "jpeg"), ("Decoded", ""), ("Accept", "exit2"), ("StageDone", "stage 0"),
        ("StageDone", "stage 1"), ("HeadDone", "exit2"), ("Reply", ""),
    ]  # fmt: skip
    at_ns = [moment.at_ns for moment in messages[-1].story]
    assert at_ns == sorted(at_ns)
    assert 0 < at_ns[0] < PATIENCE_S * S


async def test_a_refusal_tells_its_story_as_well(agent):
    messages = await messages_of(await agent.send(accuracy=1.0))
    assert [moment.name for moment in messages[-1].story] == ["Received", "Refuse"]
    assert messages[-1].story[-1].detail == messages[-1].refused.reason
