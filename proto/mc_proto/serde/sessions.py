"""The messages of a session: tasks with their payloads, and the cloud's messages about them."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence

from mc_proto.serde.fields import BadField, check_accuracy, check_id, known_slowdown
from mc_proto.serde.outcomes import prediction_from_wire, prediction_to_wire
from mc_proto.v1 import cloud_pb2, common_pb2
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.tables import Codec
from mc_sched.core.task import MAX_DEADLINE_NS, ExitRule, RefusalCode
from mc_sched.obs.log.moments import Moment
from mc_sched.obs.log.trace import is_trace_id

_RULE_TO_WIRE = {
    ExitRule.EARLIEST: common_pb2.EXIT_RULE_EARLIEST,
    ExitRule.PURSUE: common_pb2.EXIT_RULE_PURSUE,
    ExitRule.ADAPTIVE: common_pb2.EXIT_RULE_ADAPTIVE,
}
_RULE_FROM_WIRE = {wire: rule for rule, wire in _RULE_TO_WIRE.items()}
_REFUSAL_CODES = {code.value: code for code in RefusalCode}

MAX_WANTED = 10_000
"""Most further tasks that an edge may want; more are as good as this many."""

# --- from the edge to the cloud -----------------------------------------------------------------


def task_to_session(
    action: do.SendToCloud, payload: bytes, head_bytes: int = 0, trace_id: str = ""
) -> cloud_pb2.SessionRequest.Open:
    """Return the message that opens a task, with the first `head_bytes` of its payload.

    A `CloudSession` fills the head itself.
    """
    return cloud_pb2.SessionRequest.Open(
        task_id=action.task_id,
        codec=action.codec,
        payload_bytes=len(payload),
        accuracy=action.accuracy,
        budget_ns=action.budget_ns,
        down_ns=action.down_ns,
        exit_rule=_RULE_TO_WIRE[action.exit_rule],
        reply_in_ns=action.reply_in_ns,
        trace_id=trace_id,
        wanted=action.wanted,
        head=payload[:head_bytes],
    )


def check_session_task(
    message: cloud_pb2.SessionRequest.Open, max_payload_bytes: int, codecs: Sequence[Codec]
) -> None:
    """Raise BadField if a field of a task is not valid."""
    check_id("open.task_id", message.task_id, required=True)
    size_bytes = {codec.name: codec.payload_bytes for codec in codecs}
    if message.codec not in size_bytes:
        raise BadField(
            "open.codec",
            f"{reprlib.repr(message.codec)} is not a codec of this agent; "
            f"use {' or '.join(size_bytes)}",
        )
    if message.payload_bytes != (size_bytes[message.codec] or message.payload_bytes):
        raise BadField(
            "open.payload_bytes",
            f"{message.payload_bytes}, but a {message.codec} payload "
            f"has {size_bytes[message.codec]}",
        )
    if not 0 < message.payload_bytes <= max_payload_bytes:
        raise BadField(
            "open.payload_bytes", f"{message.payload_bytes} is outside 1 to {max_payload_bytes}"
        )
    if len(message.head) > message.payload_bytes:
        raise BadField(
            "open.head",
            f"{len(message.head)} bytes, but payload_bytes announces {message.payload_bytes}",
        )
    check_accuracy("open.accuracy", message.accuracy)
    if not 0 < message.budget_ns <= MAX_DEADLINE_NS:
        raise BadField("open.budget_ns", f"{message.budget_ns} is outside 1 to {MAX_DEADLINE_NS}")
    if message.exit_rule not in common_pb2.ExitRule.values():
        known = ", ".join(common_pb2.ExitRule.keys())
        raise BadField("open.exit_rule", f"{message.exit_rule} is not one of {known}")


def session_trace(message: cloud_pb2.SessionRequest.Open) -> str:
    """Return the task's trace id; empty if there is none or it is not valid."""
    return message.trace_id if is_trace_id(message.trace_id) else ""


def session_task_received(
    message: cloud_pb2.SessionRequest.Open,
    edge_id: str,
    key: str,
    now_ns: int,
    opened_ns: int,
    hidden_ns: int,
    rule: ExitRule,
) -> ev.Received:
    """Return a task whose payload is complete as an event of the cloud machine.

    `key` is its id on this node. It was opened at `opened_ns`, and the payload's last byte arrived
    at `now_ns`. Before it was opened, its message waited `hidden_ns` on its way. Both times are
    subtracted from the budget. `rule` is the agent's own exit rule, for tasks without one.
    """
    transfer_ns = now_ns - opened_ns
    spent_ns = transfer_ns + hidden_ns
    return ev.Received(
        now_ns=now_ns,
        task_id=key,
        edge_id=edge_id,
        accuracy=message.accuracy,
        budget_ns=max(0, message.budget_ns - spent_ns),
        down_ns=message.down_ns,
        codec=message.codec,
        exit_rule=_RULE_FROM_WIRE.get(message.exit_rule, rule),
        reply_in_ns=max(0, message.reply_in_ns - spent_ns)
        if message.HasField("reply_in_ns")
        else None,
        transfer_ns=transfer_ns,
        wanted=min(message.wanted, MAX_WANTED),
    )


# --- from the cloud to the edge -----------------------------------------------------------------


def task_message_to_wire(
    action: do.Accept | do.Refuse | do.Reject | do.Progress | do.Reply | do.Stop,
    task_id: str,
    labels: Sequence[str],
    held_ns: int = 0,
    transfer_ns: int = 0,
) -> cloud_pb2.SessionReply.TaskMessage:
    """Return a message of the cloud machine about the edge's task `task_id`.

    `held_ns` is the time from the end of the payload to an acceptance, or from the acceptance to a
    reply. `transfer_ns` is the duration of the upload as seen by the cloud.
    """
    wire = cloud_pb2.SessionReply
    message = wire.TaskMessage(task_id=task_id)
    if isinstance(action, do.Accept):
        message.accepted.CopyFrom(
            wire.Accepted(
                exit=action.exit,
                predicted_ns=action.predicted_ns,
                queue_ns=action.queue_ns,
                held_ns=held_ns,
                transfer_ns=transfer_ns,
            )
        )
    elif isinstance(action, do.Progress):
        message.progressed.CopyFrom(
            wire.Progressed(stage=action.stage, remaining_ns=action.remaining_ns)
        )
    elif isinstance(action, do.Reply):
        message.result.CopyFrom(
            wire.Result(
                exit=action.exit,
                prediction=prediction_to_wire(action.prediction, labels),
                compute_ns=action.compute_ns,
                queue_ns=action.queue_ns,
                slowdown=action.slowdown,
                held_ns=held_ns,
            )
        )
    elif isinstance(action, do.Refuse):
        message.refused.CopyFrom(wire.Refused(reason=action.reason, code=action.code.value))
    elif isinstance(action, do.Reject):
        message.rejected.CopyFrom(wire.Rejected(reason=action.reason, internal=not action.invalid))
    else:
        message.stopped.CopyFrom(
            wire.Stopped(reason=action.reason, compute_ns=action.compute_ns, failed=action.failed)
        )
    return message


def session_story_to_wire(moments: Iterable[Moment]) -> list[cloud_pb2.SessionReply.Moment]:
    """Return the cloud's part of a task's story."""
    return [
        cloud_pb2.SessionReply.Moment(
            name=moment.name, at_ns=moment.at_ns, took_ns=moment.took_ns, detail=moment.detail
        )
        for moment in moments
    ]


def session_story_from_wire(message: cloud_pb2.SessionReply.TaskMessage) -> tuple[Moment, ...]:
    """Return the cloud's part of a task's story; empty if the message has none."""
    return tuple(Moment(m.name, m.at_ns, m.took_ns, m.detail) for m in message.story)


TaskEvent = (
    ev.CloudAccepted | ev.CloudProgressed | ev.CloudReplied | ev.CloudRefused | ev.CloudStopped
    | ev.CloudLost
)  # fmt: skip


def task_message_from_wire(message: cloud_pb2.SessionReply.TaskMessage, now_ns: int) -> TaskEvent:
    """Return a message about a task as an event of the edge machine; ValueError if it is empty.

    A rejection becomes CloudLost with its sentence: this edge, or the payload's way to the cloud,
    is at fault.
    """
    kind, task_id = message.WhichOneof("message"), message.task_id
    if kind == "accepted":
        accepted = message.accepted
        return ev.CloudAccepted(
            now_ns,
            task_id,
            accepted.exit,
            accepted.predicted_ns,
            accepted.queue_ns,
            accepted.held_ns,
            accepted.transfer_ns,
        )
    if kind == "progressed":
        progressed = message.progressed
        return ev.CloudProgressed(now_ns, task_id, progressed.stage, progressed.remaining_ns)
    if kind == "result":
        result = message.result
        numbers = (
            *(label.probability for label in result.prediction.top),
            result.prediction.entropy,
        )
        if not all(map(math.isfinite, numbers)):
            return ev.CloudLost(now_ns, task_id, "the cloud's answer has an infinite number or NaN")
        return ev.CloudReplied(
            now_ns,
            task_id,
            result.exit,
            prediction_from_wire(result.prediction),
            result.compute_ns,
            result.queue_ns,
            known_slowdown(result.slowdown),
            message.ByteSize(),
            result.held_ns,
        )
    if kind == "refused":
        code = _REFUSAL_CODES.get(message.refused.code, RefusalCode.INFEASIBLE)
        return ev.CloudRefused(now_ns, task_id, message.refused.reason, code)
    if kind == "stopped":
        stopped = message.stopped
        return ev.CloudStopped(now_ns, task_id, stopped.reason, stopped.compute_ns, stopped.failed)
    if kind == "rejected":
        return ev.CloudLost(now_ns, task_id, message.rejected.reason)
    raise ValueError("a TaskMessage without a message")
