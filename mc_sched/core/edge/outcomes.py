"""Ends of tasks: answers, fallbacks, exactly one outcome each."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.stats import EdgeStats
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.policy import Fallback
from mc_sched.core.task import Outcome, OutcomeKind, Prediction, RefusalCode, Site
from mc_sched.core.transitions import QUIET_LOCAL, LocalLeg
from mc_sched.core.value import value

TASK_TIMERS = (TimerKind.FALLBACK, TimerKind.DEADLINE)


@value
class Answer:
    """A site's answer and its expected accuracy."""

    site: Site
    exit: str
    prediction: Prediction
    accuracy: float


@value
class Ending:
    """Kind of a task's outcome, with the reason."""

    kind: OutcomeKind
    reason: str
    refusal: RefusalCode | None = None


class EdgeOutcomes:
    """Ends tasks and counts their outcomes."""

    def __init__(
        self, state: EdgeState, forecast: EdgeForecast, stats: EdgeStats, legs: EdgeLegs
    ) -> None:
        self._state, self._forecast, self._stats, self._legs = state, forecast, stats, legs

    # --- answers ----------------------------------------------------------------------------

    def answer_local(self, entry: EdgeTask, prediction: Prediction) -> None:
        """Output the answer of a local run."""
        name = entry.net.exit or self._forecast.local_table.name
        if entry.local_first is None:
            accuracy = self._forecast.local_accuracy(entry.net.exit)
        else:
            accuracy = entry.local_first.accuracy
        self._answer(entry, Answer(Site.EDGE, name, prediction, accuracy))

    def answer_unsure(self, entry: EdgeTask) -> None:
        """Output the local net's unsure answer, as no larger network will answer in time."""
        assert entry.unsure is not None
        assert entry.local_first is not None
        accuracy = entry.local_first.threshold.unsure_accuracy
        answer = Answer(Site.EDGE, self._forecast.local_table.name, entry.unsure, accuracy)
        self._answer(entry, answer, "neither the cloud nor this device can do better in time")

    def answer_cloud(self, entry: EdgeTask, exit_: str, prediction: Prediction) -> None:
        """Output the cloud's answer."""
        if entry.local_first is None:
            cloud = self._forecast.cloud
            assert cloud is not None
            accuracy = cloud.table.exit_named(exit_).accuracy.get(entry.codec, 0.0)
        else:
            accuracy = entry.local_first.accuracy
        self._answer(entry, Answer(Site.CLOUD, exit_, prediction, accuracy))

    def _answer(self, entry: EdgeTask, answer: Answer, why: str = "") -> None:
        """Output an answer at once; `why` explains an accuracy that is too low."""
        if self._state.now_ns > entry.task.due_ns:
            ending = Ending(OutcomeKind.LATE, "the result came after the deadline")
            self.finish(entry, ending, answer)
        elif answer.accuracy >= entry.accuracy:
            self.finish(entry, Ending(OutcomeKind.SUCCEEDED, ""), answer)
        else:
            reason = f"expected accuracy {answer.accuracy:.3f} is below {entry.accuracy:.3f}"
            ending = Ending(OutcomeKind.FAILED, f"{reason}; {why}" if why else reason)
            if answer.site is Site.CLOUD and entry.local_first is None:
                self.fall_back(entry, ending)
            else:
                self.finish(entry, ending, answer)

    # --- without the cloud ------------------------------------------------------------------

    def fall_back(self, entry: EdgeTask, otherwise: Ending) -> None:
        """Run the task locally after a failed offload if that can be in time, else end it."""
        if not entry.open or entry.local not in QUIET_LOCAL:
            return
        self._state.cancel_timer(entry, TimerKind.FALLBACK)
        attempt = entry.attempt
        may_fall_back = attempt is not None and attempt.offload.fallback is not Fallback.NEVER
        has_not_run = entry.local is LocalLeg.IDLE  # a hedge's local run may have failed
        if has_not_run and may_fall_back and self._legs.local_can_serve(entry):
            self._legs.queue_local(entry)
        elif entry.unsure is not None:
            self.answer_unsure(entry)
        else:
            self.finish(entry, otherwise)

    # --- the outcome ------------------------------------------------------------------------

    def finish(self, entry: EdgeTask, ending: Ending, answer: Answer | None = None) -> None:
        """Stop all work on the task and output its outcome."""
        for timer in TASK_TIMERS:
            self._state.cancel_timer(entry, timer)
        self._legs.leave_local(entry)
        self._legs.leave_cloud(entry)
        self._state.open -= 1
        entry.outcome = self._outcome(entry, ending, answer)
        self._stats.count(entry.outcome, entry.task.due_ns - self._state.now_ns)
        self._state.actions.append(do.Finish(entry.outcome))

    def _outcome(self, entry: EdgeTask, ending: Ending, answer: Answer | None) -> Outcome:
        attempt = entry.attempt
        upload = None if attempt is None else attempt.upload
        return Outcome(
            task_id=entry.task.task_id,
            stream_id=entry.task.stream_id,
            kind=ending.kind,
            latency_ns=self._state.now_ns - entry.task.submitted_ns,
            site=None if answer is None else answer.site,
            exit=None if answer is None else answer.exit,
            prediction=None if answer is None else answer.prediction,
            expected_accuracy=None if answer is None else answer.accuracy,
            required_accuracy=entry.accuracy,
            gave_up=attempt is not None and attempt.is_given_up,
            reason=ending.reason,
            refusal=ending.refusal,
            energy=self._stats.spent(entry, self._state.now_ns),
            bytes_up=0 if upload is None else upload.bytes_sent,
            cloud_ns=0 if attempt is None else attempt.compute_ns,
            predicted_ns=entry.predicted_ns,
            codec=entry.codec or None,
            total=None if answer is None else entry.total,
        )
