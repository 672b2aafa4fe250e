"""Forecasts of the work on the cloud: the running piece, the rest of each task, the queue.

All are mean times. A task is expected to answer at its target. A task that is past its target is
expected to answer at the next exit if it is adaptive and another task waits, else at the last exit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mc_sched.core import actions as do
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.tables import Exit
from mc_sched.core.task import ExitRule
from mc_sched.core.transitions import CloudState
from mc_sched.core.value import value

WAIT_PRIOR = (1.0, 1.0, 1.2, 1.5)
"""Prior ratio of measured to forecast wait, with one mean stage added to both."""


@value
class Piece:
    """The stage or head that the executor runs."""

    task: CloudTask
    action: do.RunStage | do.RunHead
    since_ns: int
    expected: Forecast
    """Forecast of its time; NOTHING for a head."""


@value
class CloudLoad:
    """Load that a probe's answer reports: waiting work, and the slowdown against the profile."""

    queue_ns: int
    slowdown: float
    tasks: int


class CloudSchedule:
    """Work on one executor, in time."""

    def __init__(self, times: CloudTimePredictor, quantile: float) -> None:
        self._times = times
        self._wait_level = AdaptiveLevel(quantile)
        self._waits = SampleWindow(WAIT_PRIOR, horizon_ns=30 * 10**9)
        stages_ns = times.table.stage_ns
        self._grain_ns = sum(stages_ns) // len(stages_ns)
        """One mean stage, added to waits so that short ones are judged by absolute error."""
        self.piece: Piece | None = None

    def set_quantile(self, quantile: float) -> None:
        """Forecast waits at another upper quantile from now on."""
        self._wait_level.set_quantile(quantile)

    def ahead_ns(
        self, now_ns: int, tasks: Iterable[CloudTask], due_ns: int | None, pressed: bool = True
    ) -> int:
        """Work to be done before a task due at `due_ns`; all of the work for None.

        `pressed`: that task waits on this node, so that adaptive tasks answer sooner.
        """
        ahead_ns = self.piece_left_ns(now_ns)
        for task in tasks:
            goes_first = due_ns is None or task.due_ns <= due_ns or self._head_follows(task)
            if goes_first:
                ahead_ns += self.rest_ns(now_ns, task, pressed)
        return ahead_ns

    def piece_left_ns(self, now_ns: int) -> int:
        """Time until the executor is free; 0 if it is, or should be by the forecast."""
        piece = self.piece
        if piece is None:
            return 0
        action = piece.action
        if isinstance(action, do.RunStage):
            mean_ns = self._times.stage_mean_ns(now_ns, action.stage)
        else:
            mean_ns = self._times.head_mean_ns(now_ns, action.exit)
        return max(0, mean_ns - (now_ns - piece.since_ns))

    def rest_ns(self, now_ns: int, task: CloudTask, pressed: bool) -> int:
        """Time from the end of the running piece to this task's reply, if no other task ran."""
        if task.state in (CloudState.STOPPING, CloudState.IN_HEAD):
            return 0
        return self._times.mean_ns(now_ns, _answers_at(task, pressed), task.stage_ahead)

    def remaining_ns(self, now_ns: int, task: CloudTask, others: Sequence[CloudTask]) -> int:
        """Time until a waiting task's reply leaves, with `others` on the same executor."""
        ahead_ns = self.ahead_ns(now_ns, others, task.due_ns)
        return ahead_ns + self.rest_ns(now_ns, task, pressed=bool(others))

    def _head_follows(self, task: CloudTask) -> bool:
        """Return True if the task's last stage runs; then its head comes before all others."""
        return (
            task.state is CloudState.IN_STAGE and _answers_at(task, True).stage < task.stage_ahead
        )

    def wait(self, now_ns: int, ahead_ns: int) -> Forecast:
        """Forecast of the wait of a task that has `ahead_ns` of work ahead of it."""
        upper = self._wait_level.upper(self._waits, now_ns)
        upper_ns = int((ahead_ns + self._grain_ns) * upper) - self._grain_ns
        return Forecast(ahead_ns, max(ahead_ns, upper_ns))

    def waited(self, task: CloudTask, now_ns: int) -> Score:
        """Learn from the wait of a task whose first stage starts; return the forecast's score."""
        expected, took_ns = task.expected_wait, now_ns - task.decoded_ns
        score = Score(Predictor.QUEUE, expected.mean_ns, expected.upper_ns, took_ns)
        self._wait_level.record(now_ns, score.held)
        self._waits.add(now_ns, (took_ns + self._grain_ns) / (expected.mean_ns + self._grain_ns))
        return score

    def nearest_ns(self, now_ns: int, task: CloudTask) -> int:
        """Mean time to a waiting task's soonest exit ahead, or to its last exit if it is past."""
        exits = task.exits_ahead() or task.candidates[-1:]
        return self._times.nearest_ns(now_ns, exits, task.next_stage)


def first_due(tasks: Iterable[CloudTask]) -> CloudTask | None:
    """The waiting task with the earliest deadline, if any task waits."""
    first: CloudTask | None = None
    for task in tasks:
        if task.state is CloudState.WAITING and (first is None or task.due_ns < first.due_ns):
            first = task
    return first


def _answers_at(task: CloudTask, pressed: bool) -> Exit:
    ahead = task.exits_ahead()
    if ahead[0] is task.target or (pressed and task.received.exit_rule is ExitRule.ADAPTIVE):
        return ahead[0]
    return ahead[-1]
