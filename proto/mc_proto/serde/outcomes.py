"""Predictions, scores and outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from mc_proto.serde.fields import BadField
from mc_proto.v1 import common_pb2, edge_pb2
from mc_sched.core.scores import Predictor, Score
from mc_sched.core.task import Energy, Outcome, OutcomeKind, Prediction, RefusalCode, Site


def prediction_to_wire(prediction: Prediction, labels: Sequence[str]) -> common_pb2.Prediction:
    """Return a prediction, with the names of the labels."""
    return common_pb2.Prediction(
        top=[
            common_pb2.Prediction.Label(index=index, name=labels[index], probability=probability)
            for index, probability in prediction.top
        ],
        entropy=prediction.entropy,
    )


def prediction_from_wire(message: common_pb2.Prediction) -> Prediction:
    """Return a prediction without the names, which the bundle has."""
    top = tuple((label.index, label.probability) for label in message.top)
    return Prediction(top, message.entropy)


def outcome_to_wire(outcome: Outcome, labels: Sequence[str]) -> edge_pb2.Outcome:
    """Return an outcome as the client gets it."""
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
        refusal=outcome.refusal.value if outcome.refusal else "",
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
    """Return an outcome as the edge agent sent it; the caller has to check `error`."""
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
        refusal=RefusalCode(message.refusal) if message.refusal else None,
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
    """Return a forecast and the time that was measured."""
    return edge_pb2.Score(
        predictor=score.predictor.value,
        mean_ns=score.mean_ns,
        upper_ns=score.upper_ns,
        actual_ns=score.actual_ns,
    )


def score_from_wire(message: edge_pb2.Score) -> Score:
    """Return a score; ValueError if this version does not have the predictor."""
    return Score(Predictor(message.predictor), message.mean_ns, message.upper_ns, message.actual_ns)


def bad_input_to_wire(message: edge_pb2.Task, task_id: str, error: BadField) -> edge_pb2.Outcome:
    """Return the outcome of a task with an invalid field: refused, with the error."""
    return edge_pb2.Outcome(
        task_id=task_id,
        stream_id=message.stream_id,
        kind=OutcomeKind.REFUSED.value,
        reason=str(error),
        error=str(error),
    )
