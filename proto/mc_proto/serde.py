"""Between the wire and the core: the only place that knows both.

Pure functions. Constraints that a person got wrong raise `BadField`, which names the field.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Iterable, Sequence

from mc_proto.v1 import cloud_pb2, common_pb2, edge_pb2
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge_books import EdgeSnapshot
from mc_sched.core.scores import Predictor, Score
from mc_sched.core.tables import CloudTable, Codec, Exit
from mc_sched.core.task import (
    MAX_DEADLINE_NS,
    Energy,
    ExitRule,
    Mode,
    Outcome,
    OutcomeKind,
    Prediction,
    Privacy,
    Site,
    Task,
)
from mc_sched.errors import UserError
from mc_sched.obs.moments import Moment
from mc_sched.obs.store.query import LATEST_NS, OPERATORS, Query, condition

MAX_ID = 128
"""Longest task or stream id, in characters."""
MAX_IMAGE_BYTES = 8 * 2**20
"""Largest encoded image that an edge agent takes."""


class BadField(ValueError):
    """A request's field is out of range; the sentence says what is allowed."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


# --- predictions ----------------------------------------------------------------------------


def prediction_to_wire(prediction: Prediction, labels: Sequence[str]) -> common_pb2.Prediction:
    """With each label's name beside its index."""
    return common_pb2.Prediction(
        top=[
            common_pb2.Prediction.Label(index=index, name=labels[index], probability=probability)
            for index, probability in prediction.top
        ],
        entropy=prediction.entropy,
    )


def prediction_from_wire(message: common_pb2.Prediction) -> Prediction:
    """Indexes and probabilities; the names are the bundle's."""
    top = tuple((label.index, label.probability) for label in message.top)
    return Prediction(top, message.entropy)


# --- cloud agent: what it hosts -------------------------------------------------------------


def describe_to_wire(table: CloudTable, version: str) -> cloud_pb2.DescribeReply:
    """A cloud table as Describe's answer."""
    return cloud_pb2.DescribeReply(
        network=table.name,
        bundle_hash=table.bundle_hash,
        stage_ns=table.stage_ns,
        exits=[
            cloud_pb2.DescribeReply.Exit(
                name=e.name, stage=e.stage, head_ns=e.head_ns, accuracy=e.accuracy
            )
            for e in table.exits
        ],
        version=version,
        codecs=[_codec_to_wire(codec) for codec in table.codecs],
        splits=[_codec_to_wire(codec) for codec in table.splits],
    )


def _codec_to_wire(codec: Codec) -> cloud_pb2.DescribeReply.Codec:
    return cloud_pb2.DescribeReply.Codec(
        name=codec.name,
        stage=codec.stage,
        decode_ns=codec.decode_ns,
        payload_bytes=codec.payload_bytes,
    )


def _codec_from_wire(message: cloud_pb2.DescribeReply.Codec) -> Codec:
    return Codec(message.name, message.stage, message.decode_ns, message.payload_bytes)


def describe_from_wire(message: cloud_pb2.DescribeReply) -> CloudTable:
    """Describe's answer as a cloud table."""
    return CloudTable(
        name=message.network,
        stage_ns=tuple(message.stage_ns),
        exits=tuple(Exit(e.name, e.stage, e.head_ns, dict(e.accuracy)) for e in message.exits),
        bundle_hash=message.bundle_hash,
        codecs=tuple(_codec_from_wire(codec) for codec in message.codecs),
        splits=tuple(_codec_from_wire(codec) for codec in message.splits),
    )


# --- cloud agent: one task ------------------------------------------------------------------

_RULE_TO_WIRE = {
    ExitRule.EARLIEST: common_pb2.EXIT_RULE_EARLIEST,
    ExitRule.PURSUE: common_pb2.EXIT_RULE_PURSUE,
    ExitRule.ADAPTIVE: common_pb2.EXIT_RULE_ADAPTIVE,
}
_RULE_FROM_WIRE = {wire: rule for rule, wire in _RULE_TO_WIRE.items()}


def open_to_wire(
    action: do.SendToCloud, edge_id: str, payload: bytes, head_bytes: int, bundle_hash: str
) -> cloud_pb2.InferRequest:
    """The first message of an Infer call, with the first `head_bytes` of the payload."""
    opened = cloud_pb2.InferRequest.Open(
        task_id=action.task_id,
        edge_id=edge_id,
        codec=action.codec,
        payload_bytes=len(payload),
        accuracy=action.accuracy,
        budget_ns=action.budget_ns,
        down_ns=action.down_ns,
        exit_rule=_RULE_TO_WIRE[action.exit_rule],
        bundle_hash=bundle_hash,
        wanted_ns=action.wanted_ns,
        head=payload[:head_bytes],
    )
    return cloud_pb2.InferRequest(open=opened)


def check_open(
    message: cloud_pb2.InferRequest.Open, max_payload_bytes: int, codecs: Sequence[Codec]
) -> None:
    """Raise BadField if the call cannot be served as it is."""
    _check_id("open.task_id", message.task_id, required=True)
    _check_id("open.edge_id", message.edge_id, required=True)
    size_bytes = {codec.name: codec.payload_bytes for codec in codecs}
    if message.codec not in size_bytes:
        raise BadField(
            "open.codec",
            f"{reprlib.repr(message.codec)} is not known here; use {' or '.join(size_bytes)}",
        )
    if message.payload_bytes != (size_bytes[message.codec] or message.payload_bytes):
        raise BadField(
            "open.payload_bytes",
            f"{message.payload_bytes}; a {message.codec} payload has {size_bytes[message.codec]}",
        )
    if not 0 < message.payload_bytes <= max_payload_bytes:
        raise BadField(
            "open.payload_bytes", f"{message.payload_bytes} is outside 1 to {max_payload_bytes}"
        )
    _check_accuracy("open.accuracy", message.accuracy)
    if not 0 < message.budget_ns <= MAX_DEADLINE_NS:
        raise BadField("open.budget_ns", f"{message.budget_ns} is outside 1 to {MAX_DEADLINE_NS}")
    if message.exit_rule not in common_pb2.ExitRule.values():
        known = ", ".join(common_pb2.ExitRule.keys())
        raise BadField("open.exit_rule", f"{message.exit_rule} is not one of {known}")


def arrived_from_wire(
    message: cloud_pb2.InferRequest.Open,
    key: str,
    now_ns: int,
    opened_ns: int,
    rule: ExitRule,
    transfer_ns: int = 0,
) -> ev.Arrived:
    """The task as the cloud machine sees it, under the id `key` that is unique on this node.

    The time since `opened_ns`, when the call came, is taken off the budget; `rule` is the agent's
    own exit rule, for a call that names none. The payload came in during `transfer_ns` of it.
    """
    spent_ns = now_ns - opened_ns
    return ev.Arrived(
        now_ns=now_ns,
        task_id=key,
        edge_id=message.edge_id,
        accuracy=message.accuracy,
        budget_ns=max(0, message.budget_ns - spent_ns),
        down_ns=message.down_ns,
        codec=message.codec,
        exit_rule=_RULE_FROM_WIRE.get(message.exit_rule, rule),
        wanted_ns=max(0, message.wanted_ns - spent_ns) if message.HasField("wanted_ns") else None,
        transfer_ns=transfer_ns,
    )


def cloud_action_to_wire(
    action: do.Accept | do.Refuse | do.Progress | do.Reply | do.Stop,
    labels: Sequence[str],
    held_ns: int = 0,
    transfer_ns: int = 0,
) -> cloud_pb2.InferReply:
    """What the cloud machine wants the edge to know.

    `held_ns`: an acceptance is written so long after the payload was here, a reply so long after
    the acceptance. `transfer_ns`: what the node saw of the upload.
    """
    if isinstance(action, do.Accept):
        return cloud_pb2.InferReply(
            accepted=cloud_pb2.InferReply.Accepted(
                exit=action.exit,
                predicted_ns=action.predicted_ns,
                queue_ns=action.queue_ns,
                held_ns=held_ns,
                transfer_ns=transfer_ns,
            )
        )
    if isinstance(action, do.Progress):
        progressed = cloud_pb2.InferReply.Progressed(
            stage=action.stage, remaining_ns=action.remaining_ns
        )
        return cloud_pb2.InferReply(progressed=progressed)
    if isinstance(action, do.Reply):
        return cloud_pb2.InferReply(
            result=cloud_pb2.InferReply.Result(
                exit=action.exit,
                prediction=prediction_to_wire(action.prediction, labels),
                compute_ns=action.compute_ns,
                queue_ns=action.queue_ns,
                slowdown=action.slowdown,
                held_ns=held_ns,
            )
        )
    if isinstance(action, do.Refuse):
        return cloud_pb2.InferReply(refused=cloud_pb2.InferReply.Refused(reason=action.reason))
    stopped = cloud_pb2.InferReply.Stopped(
        reason=action.reason, compute_ns=action.compute_ns, failed=action.failed
    )
    return cloud_pb2.InferReply(stopped=stopped)


def story_to_wire(moments: Iterable[Moment]) -> list[cloud_pb2.InferReply.Moment]:
    """The cloud's part of a task's story."""
    return [
        cloud_pb2.InferReply.Moment(
            name=moment.name, at_ns=moment.at_ns, took_ns=moment.took_ns, detail=moment.detail
        )
        for moment in moments
    ]


def story_from_wire(message: cloud_pb2.InferReply) -> tuple[Moment, ...]:
    """The same, back; empty for a message that tells none."""
    return tuple(Moment(m.name, m.at_ns, m.took_ns, m.detail) for m in message.story)


CloudNews = (
    ev.CloudAccepted | ev.CloudProgressed | ev.CloudReplied | ev.CloudRefused | ev.CloudStopped
)


def cloud_event_from_wire(message: cloud_pb2.InferReply, task_id: str, now_ns: int) -> CloudNews:
    """What the cloud said, as an event of the edge machine. ValueError for an empty message."""
    kind = message.WhichOneof("message")
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
        return ev.CloudReplied(
            now_ns,
            task_id,
            result.exit,
            prediction_from_wire(result.prediction),
            result.compute_ns,
            result.queue_ns,
            result.slowdown,
            message.ByteSize(),
            result.held_ns,
        )
    if kind == "refused":
        return ev.CloudRefused(now_ns, task_id, message.refused.reason)
    if kind == "stopped":
        stopped = message.stopped
        return ev.CloudStopped(now_ns, task_id, stopped.reason, stopped.compute_ns, stopped.failed)
    raise ValueError("an InferReply without a message")


# --- edge agent: tasks and outcomes ---------------------------------------------------------


def task_from_wire(
    message: edge_pb2.Task,
    task_id: str,
    submitted_ns: int,
    policies: Collection[str],
    payload_bytes: dict[str, int],
    encoding_ns: int = 0,
) -> Task:
    """A person's request as a task; raises BadField for a constraint out of range."""
    check_task(message, policies)
    return Task(
        task_id=task_id,
        stream_id=message.stream_id,
        submitted_ns=submitted_ns,
        deadline_ns=message.deadline_ns,
        accuracy=message.accuracy if message.HasField("accuracy") else None,
        mode=Mode(message.mode) if message.mode else None,
        policy=message.policy or None,
        privacy=privacy_from_wire(message),
        payload_bytes=payload_bytes,
        encoding_ns=encoding_ns,
    )


def privacy_from_wire(message: edge_pb2.Task) -> Privacy:
    """What a checked task lets leave the device."""
    return Privacy(message.privacy) if message.privacy else Privacy.ANY


def check_task(message: edge_pb2.Task, policies: Collection[str]) -> None:
    """Raise BadField for the first constraint that is out of range."""
    _check_id("task_id", message.task_id, required=False)
    _check_id("stream_id", message.stream_id, required=False)
    if not 0 < message.deadline_ns <= MAX_DEADLINE_NS:
        raise BadField(
            "deadline_ns", f"{message.deadline_ns} is outside 1 to {MAX_DEADLINE_NS} (60 s)"
        )
    if message.HasField("accuracy"):
        _check_accuracy("accuracy", message.accuracy)
    _check_choice("mode", message.mode, [mode.value for mode in Mode])
    _check_choice("policy", message.policy, policies)
    _check_choice("privacy", message.privacy, [privacy.value for privacy in Privacy])
    check_image(message.image)


def check_image(image: bytes) -> None:
    """Raise BadField for what no edge agent takes, whatever is in it."""
    if not image:
        raise BadField("image", "is empty; send the bytes of a JPEG or PNG file")
    if len(image) > MAX_IMAGE_BYTES:
        raise BadField("image", f"has {len(image):,} bytes; send at most {MAX_IMAGE_BYTES:,}")


def outcome_to_wire(outcome: Outcome, labels: Sequence[str]) -> edge_pb2.Outcome:
    """An outcome for the person who submitted the task."""
    prediction = outcome.prediction
    energy = outcome.energy
    return edge_pb2.Outcome(
        task_id=outcome.task_id,
        stream_id=outcome.stream_id,
        kind=outcome.kind.value,
        latency_ns=outcome.latency_ns,
        site=outcome.site.value if outcome.site else "",
        exit=outcome.exit or "",
        prediction=prediction_to_wire(prediction, labels) if prediction else None,
        expected_accuracy=outcome.expected_accuracy or 0.0,
        required_accuracy=outcome.required_accuracy,
        gave_up=outcome.gave_up,
        reason=outcome.reason,
        energy=edge_pb2.Energy(
            compute_j=energy.compute_j,
            encode_j=energy.encode_j,
            radio_up_j=energy.radio_up_j,
            radio_down_j=energy.radio_down_j,
            radio_tail_j=energy.radio_tail_j,
            source=energy.source,
        ),
        bytes_up=outcome.bytes_up,
        cloud_ns=outcome.cloud_ns,
        predicted_ns=outcome.predicted_ns,
        codec=outcome.codec or "",
        total=score_to_wire(outcome.total) if outcome.total else None,
    )


def outcome_from_wire(message: edge_pb2.Outcome) -> Outcome:
    """An outcome as it left the edge agent; `error` is the caller's to look at."""
    answered = message.HasField("prediction")
    energy = message.energy
    return Outcome(
        task_id=message.task_id,
        stream_id=message.stream_id,
        kind=OutcomeKind(message.kind),
        latency_ns=message.latency_ns,
        site=Site(message.site) if message.site else None,
        exit=message.exit or None,
        prediction=prediction_from_wire(message.prediction) if answered else None,
        expected_accuracy=message.expected_accuracy if answered else None,
        required_accuracy=message.required_accuracy,
        gave_up=message.gave_up,
        reason=message.reason,
        energy=Energy(
            energy.compute_j,
            energy.encode_j,
            energy.radio_up_j,
            energy.radio_down_j,
            energy.radio_tail_j,
            energy.source,
        ),
        bytes_up=message.bytes_up,
        cloud_ns=message.cloud_ns,
        predicted_ns=message.predicted_ns if message.HasField("predicted_ns") else None,
        codec=message.codec or None,
        total=score_from_wire(message.total) if message.HasField("total") else None,
    )


def score_to_wire(score: Score) -> edge_pb2.Score:
    """A forecast and what then happened."""
    return edge_pb2.Score(
        predictor=score.predictor.value,
        mean_ns=score.mean_ns,
        upper_ns=score.upper_ns,
        actual_ns=score.actual_ns,
    )


def score_from_wire(message: edge_pb2.Score) -> Score:
    """The same, back. ValueError for a predictor that this version does not know."""
    return Score(Predictor(message.predictor), message.mean_ns, message.upper_ns, message.actual_ns)


def query_to_wire(query: Query, limit: int, follow: bool) -> edge_pb2.LogsRequest:
    """A query of a log store."""
    terms = [
        edge_pb2.LogsRequest.Term(field=t.field, operator=t.operator, value=t.value)
        for t in query.terms
    ]
    return edge_pb2.LogsRequest(
        terms=terms, words=query.words, since_ns=query.since_ns, limit=limit, follow=follow
    )


def query_from_wire(message: edge_pb2.LogsRequest) -> Query:
    """The same, back; BadField for a condition that is none."""
    for term in message.terms:
        _check_choice("terms.operator", term.operator or "none", OPERATORS)
    try:
        terms = tuple(condition(t.field, t.operator, t.value) for t in message.terms)
        return Query(min(message.since_ns, LATEST_NS), terms=terms, words=tuple(message.words))
    except UserError as error:
        raise BadField("terms", str(error)) from None


def bad_input_to_wire(message: edge_pb2.Task, task_id: str, error: BadField) -> edge_pb2.Outcome:
    """The outcome of a task whose input was bad: refused, with the field named."""
    return edge_pb2.Outcome(
        task_id=task_id,
        stream_id=message.stream_id,
        kind=OutcomeKind.REFUSED.value,
        reason=str(error),
        error=str(error),
    )


def status_to_wire(snapshot: EdgeSnapshot) -> edge_pb2.StatusReply:
    """The machine's part of a status; the daemon adds version, bundle, uptime and labels."""
    return edge_pb2.StatusReply(
        cloud=snapshot.cloud,
        cloud_detail=snapshot.cloud_detail,
        mode=snapshot.mode,
        policy=snapshot.policy,
        basic_accuracy=snapshot.basic_accuracy,
        draining=snapshot.draining,
        tasks_open=snapshot.tasks_open,
        outcomes=snapshot.outcomes,
        sites=snapshot.sites,
        gave_up=snapshot.gave_up,
        uplink_bps=snapshot.uplink_bps,
        downlink_bps=snapshot.downlink_bps,
        rtt_ns=snapshot.rtt_ns,
        local_predicted_ns=snapshot.local_predicted_ns,
        local_residual_ns=snapshot.local_residual_ns,
        local_residual_ops_ns=snapshot.local_residual_ops_ns,
        local_busy=snapshot.local_busy,
        busy_by_others=snapshot.busy_by_others,
        energy_j=snapshot.energy_j,
        energy_source=snapshot.energy_source,
        idle_w=snapshot.idle_w,
        predictors={
            name: edge_pb2.Reliability(
                n=found.n, coverage=found.coverage, mape=found.mape, p95_under=found.p95_under
            )
            for name, found in snapshot.predictors.items()
        },
        compute_w=snapshot.compute_w,
        power_w=snapshot.power_w,
        energy_measured_j=snapshot.energy_measured_j,
        energy_modelled_j=snapshot.energy_modelled_j,
        energy_idle_j=snapshot.energy_idle_j,
        energy_tail_j=snapshot.energy_tail_j,
        energy_probes_j=snapshot.energy_probes_j,
        e3_per_j=snapshot.e3_per_j,
        e3_with_tail_per_j=snapshot.e3_with_tail_per_j,
    )


# --- fields ---------------------------------------------------------------------------------


def _check_id(field: str, value: str, required: bool) -> None:
    if required and not value:
        raise BadField(field, "is empty")
    if len(value) > MAX_ID or not value.isprintable():
        raise BadField(field, f"must be at most {MAX_ID} printable characters")


def _check_accuracy(field: str, value: float) -> None:
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise BadField(field, f"{value} is outside 0 to 1")


def _check_choice(field: str, value: str, allowed: Collection[str]) -> None:
    if value and value not in allowed:
        raise BadField(field, f"{reprlib.repr(value)} is not one of {', '.join(allowed)}")
