"""How a task on the edge ends: an answer, a rescue, exactly one outcome."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge_books import EdgeBooks
from mc_sched.core.edge_forecast import EdgeForecast
from mc_sched.core.edge_legs import EdgeLegs
from mc_sched.core.edge_state import EdgeState
from mc_sched.core.edge_task import EdgeTask
from mc_sched.core.events import TimerKind
from mc_sched.core.task import Outcome, OutcomeKind, Prediction, Site
from mc_sched.core.transitions import LocalLeg
from mc_sched.core.value import value

TIMERS = tuple(TimerKind)


@value
class Answer:
    """What a site says of the image, and how accurate it is expected to be."""

    site: Site
    exit: str
    prediction: Prediction
    accuracy: float


class EdgeEndings:
    """Ends tasks, and enters in the books how."""

    def __init__(
        self, state: EdgeState, forecast: EdgeForecast, books: EdgeBooks, legs: EdgeLegs
    ) -> None:
        self._state, self._forecast, self._books, self._legs = state, forecast, books, legs

    # --- answers ----------------------------------------------------------------------------

    def answer_here(self, entry: EdgeTask, prediction: Prediction) -> None:
        """Output what was computed on this device."""
        name = entry.here_exit or self._forecast.local_table.name
        accuracy = self._accuracy_here(entry)
        self._answer(entry, Answer(Site.EDGE, name, prediction, accuracy))

    def answer_unsure(self, entry: EdgeTask) -> None:
        """Nobody else will answer: the local net's answer stands, as unsure as it is."""
        assert entry.unsure is not None
        assert entry.first is not None
        name, accuracy = self._forecast.local_table.name, entry.first.threshold.unsure_accuracy
        why = "neither the cloud nor this device can do better in time"
        self._answer(entry, Answer(Site.EDGE, name, entry.unsure, accuracy), why)

    def answer_there(self, entry: EdgeTask, exit_: str, prediction: Prediction) -> None:
        """Output what the cloud has answered."""
        accuracy = self._accuracy_there(entry, exit_)
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
                self.rescue(entry, OutcomeKind.FAILED, reason)
            else:
                self.finish(entry, OutcomeKind.FAILED, reason, answer)

    def _accuracy_here(self, entry: EdgeTask) -> float:
        if entry.first is None:
            return self._forecast.accuracy_here(entry.here_exit)
        return entry.first.accuracy

    def _accuracy_there(self, entry: EdgeTask, exit_: str) -> float:
        if entry.first is not None:
            return entry.first.accuracy
        assert self._forecast.cloud is not None
        return self._forecast.cloud.table.exit_named(exit_).accuracy.get(entry.codec, 0.0)

    # --- without the cloud ------------------------------------------------------------------

    def rescue(self, entry: EdgeTask, otherwise: OutcomeKind, reason: str) -> None:
        """The cloud will not answer: run the task here if that can be in time, else end it."""
        if not entry.open or entry.local is not LocalLeg.IDLE:
            return
        self._state.cancel_timer(entry, TimerKind.FALLBACK)
        fallback = entry.offload is not None and entry.offload.fallback
        if fallback and self._legs.local_can_serve(entry):
            self._legs.queue_here(entry)
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
        entry.energy = self._books.spent(entry, self._state.now_ns)
        entry.outcome = self._outcome(entry, kind, reason, answer)
        self._books.count(entry.outcome, entry.task.due_ns - self._state.now_ns)
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
