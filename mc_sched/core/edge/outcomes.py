"""How a task on the edge ends: an answer, a rescue, exactly one outcome."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.stats import EdgeStats
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.events import TimerKind
from mc_sched.core.policy import Fallback
from mc_sched.core.task import Outcome, OutcomeKind, Prediction, Site
from mc_sched.core.transitions import LocalLeg
from mc_sched.core.value import value

TIMERS = (TimerKind.FALLBACK, TimerKind.DEADLINE)


@value
class Answer:
    """What a site says of the image, and how accurate it is expected to be."""

    site: Site
    exit: str
    prediction: Prediction
    accuracy: float


class EdgeOutcomes:
    """Ends tasks, and enters in the books how."""

    def __init__(
        self, state: EdgeState, forecast: EdgeForecast, stats: EdgeStats, legs: EdgeLegs
    ) -> None:
        self._state, self._forecast, self._stats, self._legs = state, forecast, stats, legs

    # --- answers ----------------------------------------------------------------------------

    def answer_local(self, entry: EdgeTask, prediction: Prediction) -> None:
        """Output what was computed on this device."""
        name = entry.on_device_exit or self._forecast.local_table.name
        accuracy = self._local_accuracy(entry)
        self._answer(entry, Answer(Site.EDGE, name, prediction, accuracy))

    def answer_unsure(self, entry: EdgeTask) -> None:
        """Nobody else will answer: the local net's answer stands, as unsure as it is."""
        assert entry.unsure is not None
        assert entry.first is not None
        name, accuracy = self._forecast.local_table.name, entry.first.threshold.unsure_accuracy
        why = "neither the cloud nor this device can do better in time"
        self._answer(entry, Answer(Site.EDGE, name, entry.unsure, accuracy), why)

    def answer_cloud(self, entry: EdgeTask, exit_: str, prediction: Prediction) -> None:
        """Output what the cloud has answered."""
        accuracy = self._cloud_accuracy(entry, exit_)
        self._answer(entry, Answer(Site.CLOUD, exit_, prediction, accuracy))

    def _answer(self, entry: EdgeTask, answer: Answer, why: str = "") -> None:
        """Output a result the moment it arrives; `why` its accuracy is low, where that is known."""
        if self._state.now_ns > entry.task.due_ns:
            reason = "the result came after the deadline"
            self.finish(entry, OutcomeKind.LATE, reason, answer)
        elif answer.accuracy >= entry.accuracy:
            self.finish(entry, OutcomeKind.SUCCEEDED, "", answer)
        else:
            reason = f"expected accuracy {answer.accuracy:.3f} is below {entry.accuracy:.3f}"
            reason = f"{reason}; {why}" if why else reason
            if answer.site is Site.CLOUD and entry.first is None:
                self.fall_back(entry, OutcomeKind.FAILED, reason)
            else:
                self.finish(entry, OutcomeKind.FAILED, reason, answer)

    def _local_accuracy(self, entry: EdgeTask) -> float:
        if entry.first is None:
            return self._forecast.local_accuracy(entry.on_device_exit)
        return entry.first.accuracy

    def _cloud_accuracy(self, entry: EdgeTask, exit_: str) -> float:
        if entry.first is not None:
            return entry.first.accuracy
        assert self._forecast.cloud is not None
        return self._forecast.cloud.table.exit_named(exit_).accuracy.get(entry.codec, 0.0)

    # --- without the cloud ------------------------------------------------------------------

    def fall_back(self, entry: EdgeTask, otherwise: OutcomeKind, reason: str) -> None:
        """The cloud will not answer: run the task here if that can be in time, else end it."""
        if not entry.open or entry.local not in (LocalLeg.IDLE, LocalLeg.CLOSED):
            return
        self._state.cancel_timer(entry, TimerKind.FALLBACK)
        offload = entry.offload
        may_fall_back = offload is not None and offload.fallback is not Fallback.NEVER
        has_not_run = entry.local is LocalLeg.IDLE  # a hedge's local run may have failed
        if has_not_run and may_fall_back and self._legs.local_can_serve(entry):
            self._legs.queue_local(entry)
        elif entry.unsure is not None:
            self.answer_unsure(entry)
        else:
            self.finish(entry, otherwise, reason)

    # --- the outcome ------------------------------------------------------------------------

    def finish(
        self, entry: EdgeTask, kind: OutcomeKind, reason: str, answer: Answer | None = None
    ) -> None:
        """Break off what still runs for the task, and tell how it ended."""
        for timer in TIMERS:
            self._state.cancel_timer(entry, timer)
        self._legs.leave_local(entry)
        self._legs.leave_cloud(entry)
        self._state.open -= 1
        entry.energy = self._stats.spent(entry, self._state.now_ns)
        entry.outcome = self._outcome(entry, kind, reason, answer)
        self._stats.count(entry.outcome, entry.task.due_ns - self._state.now_ns)
        self._state.actions.append(do.Finish(entry.outcome))

    def _outcome(
        self, entry: EdgeTask, kind: OutcomeKind, reason: str, answer: Answer | None
    ) -> Outcome:
        return Outcome(
            task_id=entry.task.task_id,
            stream_id=entry.task.stream_id,
            kind=kind,
            latency_ns=self._state.now_ns - entry.task.submitted_ns,
            site=None if answer is None else answer.site,
            exit=None if answer is None else answer.exit,
            prediction=None if answer is None else answer.prediction,
            expected_accuracy=None if answer is None else answer.accuracy,
            required_accuracy=entry.accuracy,
            gave_up=entry.gave_up,
            reason=reason,
            energy=entry.energy,
            bytes_up=entry.bytes_up,
            cloud_ns=entry.cloud_compute_ns,
            predicted_ns=entry.predicted_ns,
            codec=entry.codec or None,
            total=None if answer is None else entry.total,
        )
