"""Tasks and the cloud's messages keep their content over a session's wire."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.tables import Codec
from mc_sched.core.task import ExitRule, Prediction, RefusalCode
from tests.proto.serde.test_serde import LABELS, sent

CODECS = (Codec("jpeg"), Codec("features", 1, 0, 100))
ACTION = do.SendToCloud("t1", "jpeg", 0.75, 80, 3, ExitRule.PURSUE, 70, wanted=4)
WIRE = cloud_pb2.SessionReply.TaskMessage


def opened(**changes):
    message = serde.task_to_session(ACTION, b"0123456789", 4, "ab" * 16)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@given(hidden_ns=st.integers(0, 200), transfer_ns=st.integers(0, 200))
def test_waiting_and_the_upload_are_subtracted_from_the_budget(hidden_ns, transfer_ns):
    message = sent(opened())
    event = serde.session_task_received(
        message, "edge", "edge/t1", 1000 + transfer_ns, 1000, hidden_ns, ExitRule.ADAPTIVE
    )
    spent_ns = hidden_ns + transfer_ns
    assert event == ev.Received(
        1000 + transfer_ns, "edge/t1", "edge", 0.75, max(0, 80 - spent_ns), 3, "jpeg",
        ExitRule.PURSUE, max(0, 70 - spent_ns), transfer_ns, 4,
    )  # fmt: skip
    assert (message.head, message.payload_bytes) == (b"0123", 10)
    assert serde.session_trace(message) == "ab" * 16


def test_a_task_without_a_fallback_or_a_rule_takes_the_agents():
    message = opened()
    message.ClearField("reply_in_ns")
    message.ClearField("exit_rule")
    event = serde.session_task_received(sent(message), "e", "k", 5, 5, 0, ExitRule.EARLIEST)
    assert (event.reply_in_ns, event.exit_rule) == (None, ExitRule.EARLIEST)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_id", ""), ("task_id", "x" * 129), ("codec", "webp"), ("payload_bytes", 0),
        ("payload_bytes", 3), ("payload_bytes", 1001), ("accuracy", 1.5), ("budget_ns", 0),
        ("budget_ns", 365 * 86400 * 10**9), ("exit_rule", 9),
    ],
)  # fmt: skip
def test_a_field_that_is_not_valid_is_named(field, value):
    serde.check_session_task(opened(), 1000, CODECS)
    with pytest.raises(serde.BadField, match=r"open\.(head|" + field + ")"):
        serde.check_session_task(opened(**{field: value}), 1000, CODECS)


def test_a_payload_of_a_codec_with_one_size_must_have_it():
    with pytest.raises(serde.BadField, match=r"open\.payload_bytes: 10, but a features payload"):
        serde.check_session_task(opened(codec="features"), 1000, CODECS)


PREDICTION = Prediction(((1, 0.5), (0, 0.25)), 0.125)
MESSAGES = [
    (do.Accept("k", "exit1", 5, 6), ev.CloudAccepted(9, "t1", "exit1", 5, 6, 7, 8)),
    (do.Progress("k", 2, 5), ev.CloudProgressed(9, "t1", 2, 5)),
    (
        do.Refuse("k", "no", RefusalCode.NO_CREDIT),
        ev.CloudRefused(9, "t1", "no", RefusalCode.NO_CREDIT),
    ),
    (do.Reject("k", "payload: cut short", True), ev.CloudLost(9, "t1", "payload: cut short")),
    (do.Stop("k", "late", 5, True), ev.CloudStopped(9, "t1", "late", 5, True)),
]


@pytest.mark.parametrize(("action", "event"), MESSAGES)
def test_a_message_arrives_as_its_event(action, event):
    message = sent(serde.task_message_to_wire(action, "t1", LABELS, 7, 8))
    assert serde.task_message_from_wire(message, 9) == event


def test_an_answer_arrives_with_its_size():
    action = do.Reply("k", "final", PREDICTION, 1, 2, 1.5)
    message = sent(serde.task_message_to_wire(action, "t1", LABELS, 7))
    event = serde.task_message_from_wire(message, 9)
    assert event == ev.CloudReplied(9, "t1", "final", PREDICTION, 1, 2, 1.5, message.ByteSize(), 7)
    assert {f.name for f in fields(event)} >= {"reply_bytes", "held_ns"}


def test_replies_that_are_joined_as_bytes_are_one_reply_with_all_messages():
    replies = [
        cloud_pb2.SessionReply(messages=[serde.task_message_to_wire(action, f"t{n}", LABELS)])
        for n, (action, _) in enumerate(MESSAGES)
    ]
    joined = b"".join(reply.SerializeToString() for reply in replies)
    assert list(cloud_pb2.SessionReply.FromString(joined).messages) == [
        reply.messages[0] for reply in replies
    ]


def test_a_message_without_content_is_an_error():
    with pytest.raises(ValueError, match="without a message"):
        serde.task_message_from_wire(WIRE(task_id="t"), 9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e300])
def test_a_slowdown_that_no_agent_measures_is_1(value):
    event = serde.task_message_from_wire(WIRE(task_id="t", result={"slowdown": value}), 0)
    assert event.slowdown == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("answer", [{"top": [{"probability": 0.0}]}, {"entropy": 0.0}])
def test_an_answer_without_numbers_is_lost(value, answer):
    message = WIRE(task_id="t", result={"prediction": answer})
    if message.result.prediction.top:
        message.result.prediction.top[0].probability = value
    else:
        message.result.prediction.entropy = value
    assert isinstance(serde.task_message_from_wire(message, 0), ev.CloudLost)
