"""What is sent over the wire arrives unchanged; invalid fields are named."""

import math
from dataclasses import asdict, fields, replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_models.data import preprocess
from mc_proto import serde
from mc_proto.serde import MAX_ID, MAX_IMAGE_BYTES, BadField
from mc_proto.v1 import cloud_pb2, edge_pb2

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.snapshot import EdgeSnapshot
from mc_sched.core.policies import POLICIES
from mc_sched.core.tables import CloudTable, Codec
from mc_sched.core.task import (
    MAX_DEADLINE_NS,
    ExitRule,
    Mode,
    Outcome,
    OutcomeKind,
    Prediction,
    Privacy,
    Site,
)
from mc_sched.obs.log.moments import Moment
from tests.obs import arbitrary

LABELS = [f"label{i}" for i in range(100)]
MAX_PAYLOAD = 8 * 2**20
CODECS = (Codec("jpeg"),)
SHARES = st.floats(0, 1)
NAMES = st.text(min_size=1, max_size=12)
IDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=MAX_ID)

# the wire has probabilities of 32 bits and indexes of 32 bits
TOP = st.lists(st.tuples(st.integers(0, 99), st.floats(0, 1, width=32)), max_size=5).map(tuple)
PREDICTIONS = st.builds(Prediction, TOP)
SMALL = st.integers(0, 2**32 - 1)

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def sent(message):
    """Return the message as it arrives over the wire."""
    return type(message).FromString(message.SerializeToString())


# --- logs -------------------------------------------------------------------------------------


@quick
@given(st.lists(st.builds(Moment, NAMES, SMALL, SMALL, NAMES), max_size=9).map(tuple))
def test_the_clouds_story(moments):
    message = cloud_pb2.SessionReply.TaskMessage(story=serde.session_story_to_wire(moments))
    assert serde.session_story_from_wire(sent(message)) == moments


# --- both directions --------------------------------------------------------------------------


@quick
@given(PREDICTIONS)
def test_predictions_are_sent_with_the_names_of_their_labels(prediction):
    message = sent(serde.prediction_to_wire(prediction, LABELS))
    assert serde.prediction_from_wire(message) == prediction
    assert [label.name for label in message.top] == [LABELS[i] for i, _ in prediction.top]


@quick
@given(arbitrary.of(CloudTable, ints=SMALL))
def test_a_cloud_table_arrives_without_its_batches(table):
    exits = tuple(replace(exit_, head_batch_ns=()) for exit_ in table.exits)
    table = replace(table, exits=exits, batch_sizes=(1,), stage_batch_ns=())
    message = sent(serde.describe_to_wire(table, "1.2.3"))
    assert serde.describe_from_wire(message) == table
    assert message.version == "1.2.3"


@quick
@given(arbitrary.of(do.SendToCloud, accuracy=SHARES, wanted=SMALL), st.binary(max_size=9), SMALL)
def test_a_task_arrives_in_the_cloud_unchanged(action, payload, upload_ns):
    opened = sent(serde.task_to_session(action, payload, 4))
    times = 7 + upload_ns, 7, 3
    event = serde.session_task_received(opened, "e", "key", *times, ExitRule.EARLIEST)

    def left(ns):
        return max(0, ns - upload_ns - 3)

    assert event == ev.Received(
        7 + upload_ns, "key", "e", action.accuracy, left(action.budget_ns), action.down_ns,
        action.codec, action.exit_rule, left(action.reply_in_ns), upload_ns,
        min(action.wanted, serde.MAX_WANTED),
    )  # fmt: skip
    assert (opened.task_id, opened.payload_bytes) == (action.task_id, len(payload))
    assert opened.head == payload[:4]


@pytest.mark.parametrize(
    ("given", "known"), [("", ""), ("ab" * 16, "ab" * 16), ("AB" * 16, ""), ("0" * 32, "")]
)
def test_a_trace_id_arrives_if_it_is_valid(given, known):
    action = do.SendToCloud("t", "jpeg", 0.75, 9, 1, ExitRule.ADAPTIVE, reply_in_ns=0)
    assert serde.session_trace(sent(serde.task_to_session(action, b"jpeg", 4, given))) == known


CLOUD_ACTIONS = st.one_of(
    arbitrary.of(do.Accept),
    arbitrary.of(do.Refuse),
    arbitrary.of(do.Reject),
    arbitrary.of(do.Progress, stage=SMALL),
    arbitrary.of(do.Reply, prediction=PREDICTIONS, slowdown=st.floats(0.01, 1e6)),
    arbitrary.of(do.Stop),
)
NEWS = {
    do.Accept: ev.CloudAccepted,
    do.Refuse: ev.CloudRefused,
    do.Reject: ev.CloudLost,
    do.Progress: ev.CloudProgressed,
    do.Reply: ev.CloudReplied,
    do.Stop: ev.CloudStopped,
}


@quick
@given(CLOUD_ACTIONS)
def test_the_clouds_messages_arrive_unchanged(action):
    wire = serde.task_message_to_wire(action, action.task_id, LABELS, held_ns=5, transfer_ns=6)
    message = sent(wire)
    event = serde.task_message_from_wire(message, 7)
    assert type(event) is NEWS[type(action)]
    of_the_cloud = {"trial_after_ns", "invalid"}
    said = {f.name: getattr(action, f.name) for f in fields(action) if f.name not in of_the_cloud}
    heard = {field.name: getattr(event, field.name) for field in fields(event)}
    assert heard == {**said, "now_ns": 7, **_added(message, event)}


def _added(message, event):
    """Return the fields of an event that its action does not have."""
    if isinstance(event, ev.CloudReplied):
        return {"reply_bytes": message.ByteSize(), "held_ns": 5}
    return {"held_ns": 5, "transfer_ns": 6} if isinstance(event, ev.CloudAccepted) else {}


def test_every_message_of_the_cloud_has_its_event():
    message = cloud_pb2.SessionReply.TaskMessage
    kinds = {field.name for field in message.DESCRIPTOR.oneofs[0].fields}
    assert len(kinds) == len(NEWS) == len(get_args(serde.TaskEvent))
    assert set(NEWS.values()) == set(get_args(serde.TaskEvent))


def _consistent(outcome):
    """Outcomes as the machine makes them: an accuracy if there is a prediction, and the score of
    what has ended."""
    if outcome.total is not None:
        outcome = replace(outcome, total=replace(outcome.total, unfinished=False))
    if outcome.prediction is None:
        return replace(outcome, expected_accuracy=None)
    return replace(outcome, expected_accuracy=outcome.expected_accuracy or 0.5)


OUTCOMES = arbitrary.of(
    Outcome,
    prediction=st.none() | PREDICTIONS,
    exit=st.none() | NAMES,
    codec=st.none() | NAMES,
    site=st.none() | st.sampled_from(Site),
).map(_consistent)


@quick
@given(OUTCOMES)
def test_outcomes_arrive_unchanged(outcome):
    assert serde.outcome_from_wire(sent(serde.outcome_to_wire(outcome, LABELS))) == outcome


@quick
@given(
    deadline_ns=st.integers(1, MAX_DEADLINE_NS),
    accuracy=st.none() | SHARES,
    mode=st.none() | st.sampled_from(Mode),
    policy=st.none() | st.sampled_from(sorted(POLICIES)),
    privacy=st.sampled_from(Privacy),
    stream_id=st.just("") | IDS,
)
def test_a_requests_constraints_become_the_tasks(
    deadline_ns, accuracy, mode, policy, privacy, stream_id
):
    message = edge_pb2.Task(
        task_id="theirs", stream_id=stream_id, image=b"jpeg", deadline_ns=deadline_ns,
        accuracy=accuracy, mode=mode.value if mode else "", policy=policy or "",
        privacy=privacy.value,
    )  # fmt: skip
    task = serde.task_from_wire(sent(message), "t1", 5, {"jpeg": 9})
    assert (task.task_id, task.stream_id, task.submitted_ns) == ("t1", stream_id, 5)
    assert (task.deadline_ns, task.accuracy, task.mode) == (deadline_ns, accuracy, mode)
    assert (task.policy, task.privacy, task.payload_bytes) == (policy, privacy, {"jpeg": 9})


def test_unset_fields_are_left_to_the_agent():
    message = edge_pb2.Task(image=b"jpeg", deadline_ns=1)
    task = serde.task_from_wire(message, "t1", 0, {})
    assert (task.accuracy, task.mode, task.policy, task.privacy) == (None, None, None, Privacy.ANY)


def test_an_accuracy_of_zero_is_not_the_same_as_unset():
    message = edge_pb2.Task(image=b"jpeg", deadline_ns=1, accuracy=0.0)
    assert serde.task_from_wire(sent(message), "t1", 0, {}).accuracy == 0.0


def _shown(message, name):
    """Return the value of a field: a mapping as a dict, None if it is unset."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    return {key: _fields(part) for key, part in value.items()} if field.message_type else value


def _fields(part):
    """Return a message as a dict, and any other value unchanged."""
    if not hasattr(part, "DESCRIPTOR"):
        return part
    return {field.name: getattr(part, field.name) for field in part.DESCRIPTOR.fields}


@quick
@given(arbitrary.of(EdgeSnapshot, tasks_open=SMALL, credits=SMALL, in_flight=SMALL))
def test_a_status_shows_every_field_of_the_machines_snapshot(snapshot):
    message = sent(serde.status_to_wire(snapshot))
    shown = {name: _shown(message, name) for name in asdict(snapshot)}
    assert shown == asdict(snapshot)


# --- what must not go in ----------------------------------------------------------------------

GOOD_TASK = {"image": b"jpeg", "deadline_ns": 84_000_000}


def test_good_tasks_pass():
    serde.check_task(edge_pb2.Task(**GOOD_TASK), POLICIES)
    longest = {"task_id": "ä" * MAX_ID, "stream_id": "a b" + "x" * (MAX_ID - 3)}
    edges = {"deadline_ns": MAX_DEADLINE_NS, "accuracy": 1.0}
    serde.check_task(edge_pb2.Task(**{**GOOD_TASK, **longest, **edges}), POLICIES)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("deadline_ns", 0, "1 to 60000000000"),
        ("deadline_ns", MAX_DEADLINE_NS + 1, "1 to 60000000000"),
        ("deadline_ns", 2**64 - 1, "1 to 60000000000"),
        ("accuracy", 1.5, "0 to 1"),
        ("accuracy", -0.001, "0 to 1"),
        ("accuracy", math.nan, "0 to 1"),
        ("accuracy", math.inf, "0 to 1"),
        ("mode", "fast", "performance, energy"),
        ("mode", "Energy", "performance, energy"),
        ("policy", "best", "mc, mc-paper, ddnn, server, jointdnn, edge-only, neurosurgeon, edgent"),
        ("privacy", "secret", "edge-only, features, any"),
        ("task_id", "x" * (MAX_ID + 1), "at most 128 printable characters"),
        ("task_id", "a\nb", "at most 128 printable characters"),
        ("stream_id", "x" * (MAX_ID + 1), "at most 128 printable characters"),
        ("stream_id", "nul\0", "at most 128 printable characters"),
        ("stream_id", "\u2028", "at most 128 printable characters"),
        ("image", b"", "JPEG or PNG"),
        ("image", bytes(MAX_IMAGE_BYTES + 1), "at most 8,388,608"),
    ],
)
def test_a_constraint_out_of_range_is_named_with_what_is_allowed(field, value, allowed):
    with pytest.raises(BadField, match=f"^{field}: ") as caught:
        serde.check_task(edge_pb2.Task(**{**GOOD_TASK, field: value}), POLICIES)
    assert caught.value.field == field
    assert allowed in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_largest_image_is_the_largest_that_the_preprocessing_accepts():
    assert MAX_IMAGE_BYTES == preprocess.MAX_BYTES
    serde.check_image(bytes(MAX_IMAGE_BYTES))


def test_bad_input_is_an_outcome_that_names_the_field():
    message = edge_pb2.Task(task_id="t", stream_id="s", image=b"x")
    answer = sent(serde.bad_input_to_wire(message, "t", BadField("deadline_ns", "is no good")))
    assert answer.error == answer.reason == "deadline_ns: is no good"
    outcome = serde.outcome_from_wire(answer)
    assert (outcome.task_id, outcome.stream_id, outcome.kind) == ("t", "s", OutcomeKind.REFUSED)
    assert (outcome.prediction, outcome.site, outcome.expected_accuracy) == (None, None, None)


GOOD_OPEN = {
    "task_id": "t", "codec": "jpeg", "payload_bytes": 9, "accuracy": 0.75,
    "budget_ns": 1,
}  # fmt: skip


def check_open(**changed):
    opened = cloud_pb2.SessionRequest.Open(**{**GOOD_OPEN, **changed})
    serde.check_session_task(opened, MAX_PAYLOAD, CODECS)


def test_good_uploads_pass():
    check_open()
    check_open(payload_bytes=MAX_PAYLOAD, budget_ns=MAX_DEADLINE_NS, accuracy=0.0)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("task_id", "", "empty"),
        ("task_id", "x" * (MAX_ID + 1), "at most 128 printable characters"),
        ("task_id", "a\tb", "at most 128 printable characters"),
        ("codec", "webp", "use jpeg"),
        ("codec", "", "use jpeg"),
        ("payload_bytes", 0, f"1 to {MAX_PAYLOAD}"),
        ("payload_bytes", MAX_PAYLOAD + 1, f"1 to {MAX_PAYLOAD}"),
        ("payload_bytes", 2**64 - 1, f"1 to {MAX_PAYLOAD}"),
        ("accuracy", 1.5, "0 to 1"),
        ("accuracy", math.nan, "0 to 1"),
        ("budget_ns", 0, "1 to 60000000000"),
        ("budget_ns", MAX_DEADLINE_NS + 1, "1 to 60000000000"),
    ],
)
def test_an_upload_out_of_range_is_named_with_what_is_allowed(field, value, allowed):
    with pytest.raises(BadField, match=f"^open.{field}: ") as caught:
        check_open(**{field: value})
    assert caught.value.field == f"open.{field}"
    assert allowed in str(caught.value)


def test_an_unknown_exit_rule_is_named():
    with pytest.raises(BadField, match=r"^open.exit_rule"):
        check_open(exit_rule=17)


def check_with(field, value):
    if field == "codec":
        check_open(codec=value)
    else:
        serde.check_task(edge_pb2.Task(**{**GOOD_TASK, field: value}), POLICIES)


@pytest.mark.parametrize("field", ["mode", "policy", "privacy", "codec"])
def test_the_error_message_is_short_enough_for_grpc(field):
    """A status whose details exceed 8 kB reaches the client as RESOURCE_EXHAUSTED."""
    with pytest.raises(BadField) as caught:
        check_with(field, "x" * 100_000)
    assert len(str(caught.value)) < 4096
