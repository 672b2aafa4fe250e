"""How long the work on the cloud takes: the running piece, the rest of each task, the queue.

All of it on mean times. A task is expected to answer at its target; past it, an adaptive one at
the next exit as soon as another task waits, a pursuing one at the last.
"""

from __future__ import annotations

from collections.abc import Iterable

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
"""Waited over foreseen, both a stage longer than they are, before anything waited."""


@value
class Piece:
    """What the executor is at: a stage or a head, whose it is, since when, how long it may take."""

    task: CloudTask
    action: do.RunStage | do.RunHead
    since_ns: int
    expected: Forecast


class CloudSchedule:
    """Forecasts for one executor that runs one piece at a time."""

    def __init__(self, times: CloudTimePredictor, quantile: float) -> None:
        self._times = times
        self._wait_level = AdaptiveLevel(quantile)
        self._waits = SampleWindow(WAIT_PRIOR, horizon_ns=30 * 10**9)
        stages_ns = times.table.stage_ns
        self._grain_ns = sum(stages_ns) // len(stages_ns)
        """Nobody waits less finely than by a stage: a short wait errs by its time, a long one by a
        share of its own."""
        self.piece: Piece | None = None

    def set_quantile(self, quantile: float) -> None:
        """Forecast waits at another upper quantile from now on."""
        self._wait_level.set_quantile(quantile)

    def ahead_ns(
        self, now_ns: int, tasks: Iterable[CloudTask], due_ns: int | None, pressed: bool = True
    ) -> int:
        """Work to be done before a task due at `due_ns`; all of the work for None.

        `pressed`: that task waits here, so that adaptive ones answer sooner.
        """
        ahead_ns = self.piece_left_ns(now_ns)
        for task in tasks:
            goes_first = due_ns is None or task.due_ns <= due_ns or self._head_follows(task)
            if goes_first:
                ahead_ns += self.rest_ns(now_ns, task, pressed)
        return ahead_ns

    def piece_left_ns(self, now_ns: int) -> int:
        """Time until the executor is free; 0 if it is, or should be."""
        if self.piece is None:
            return 0
        took_ns = now_ns - self.piece.since_ns
        return max(0, self._times.piece_ns(now_ns, self.piece.action) - took_ns)

    def rest_ns(self, now_ns: int, task: CloudTask, pressed: bool) -> int:
        """Time for what follows the running piece until this task's reply, were it alone."""
        if task.state in (CloudState.STOPPING, CloudState.IN_HEAD):
            return 0
        return self._times.mean_ns(now_ns, _answers_at(task, pressed), task.stage_ahead)

    def _head_follows(self, task: CloudTask) -> bool:
        """Whether the running stage is the task's last: its head comes next, whoever waits."""
        return (
            task.state is CloudState.IN_STAGE and _answers_at(task, True).stage < task.stage_ahead
        )

    def wait(self, now_ns: int, ahead_ns: int) -> Forecast:
        """How long a task waits that has this work ahead of it."""
        upper = self._wait_level.upper(self._waits, now_ns)
        upper_ns = int((ahead_ns + self._grain_ns) * upper) - self._grain_ns
        return Forecast(ahead_ns, max(ahead_ns, upper_ns))

    def waited(self, task: CloudTask, now_ns: int) -> Score:
        """A task's first stage starts: what its wait was expected to be, and was."""
        expected, took_ns = task.expected_wait, now_ns - task.arrived.now_ns
        score = Score(Predictor.QUEUE, expected.mean_ns, expected.upper_ns, took_ns)
        self._wait_level.record(now_ns, score.held)
        foreseen_ns = expected.mean_ns + self._grain_ns
        self._waits.add(now_ns, (took_ns + self._grain_ns) / foreseen_ns)
        return score

    def nearest_ns(self, now_ns: int, task: CloudTask) -> int:
        """Time to the soonest exit for a task that waits: one ahead, or else the last."""
        exits = task.exits_ahead() or task.candidates[-1:]
        return self._times.nearest_ns(now_ns, exits, task.next_stage)


def _answers_at(task: CloudTask, pressed: bool) -> Exit:
    ahead = task.exits_ahead()
    if ahead[0] is task.target or (pressed and task.arrived.exit_rule is ExitRule.ADAPTIVE):
        return ahead[0]
    return ahead[-1]
