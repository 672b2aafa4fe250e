"""The decision at every branch of the cloud net: answer, continue to a later exit, or stop."""

from __future__ import annotations

from enum import Enum

from mc_sched.core.cloud.schedule import CloudSchedule
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import Exit
from mc_sched.core.task import ExitRule


class Choice(Enum):
    """The next step of a task between two stages."""

    ANSWER = "answer"
    """Run the head of the exit that the task stands behind."""
    CONTINUE = "continue"
    """Run the next stage."""
    STOP = "stop"
    """The deadline cannot be met any more."""


class ExitChoice:
    """Algorithm II, steps 3 and 4, and the deadline check between two stages."""

    def __init__(self, times: CloudTimePredictor, schedule: CloudSchedule) -> None:
        self._times, self._schedule = times, schedule

    def behind_stage(
        self, now_ns: int, task: CloudTask, exit_: Exit | None, batch: tuple[CloudTask, ...]
    ) -> Choice:
        """Choose when a stage is done for all tasks of `batch`.

        `exit_` is the acceptable exit behind the stage, if any.
        """
        if self._is_infeasible(now_ns, task) and not self._can_answer(now_ns, task, exit_):
            return Choice.STOP
        if exit_ is None or self._continues(now_ns, task, exit_, batch):
            return Choice.CONTINUE
        return Choice.ANSWER

    def before_stage(self, now_ns: int, task: CloudTask, exit_: Exit | None) -> Choice:
        """Choose when the executor is free for the task's next stage.

        `exit_` is the acceptable exit behind its last stage. It still answers if the task was to
        continue and other tasks took the time.
        """
        if not self._is_infeasible(now_ns, task):
            return Choice.CONTINUE
        return Choice.ANSWER if self._can_answer(now_ns, task, exit_) else Choice.STOP

    def _continues(
        self, now_ns: int, task: CloudTask, exit_: Exit, batch: tuple[CloudTask, ...]
    ) -> bool:
        """Return True if a better exit behind `exit_` is pursued."""
        rule = task.received.exit_rule
        following = task.next_exit(exit_)
        if following is None or rule is ExitRule.EARLIEST:
            return False
        if rule is ExitRule.ADAPTIVE and self._schedule.others_wait(batch):
            return False
        return self._schedule.may_pursue(now_ns, task, following, batch)

    def _is_infeasible(self, now_ns: int, task: CloudTask) -> bool:
        """Return True if even the mean time to the soonest exit ahead is too long.

        A trial is not checked before it has measured a stage.
        """
        if task.trial_after_ns or task.feasible_ns == now_ns:
            return False
        infeasible = self._schedule.nearest_ns(now_ns, task) > task.leave_by_ns - now_ns
        task.feasible_ns = -1 if infeasible else now_ns
        return infeasible

    def _can_answer(self, now_ns: int, task: CloudTask, exit_: Exit | None) -> bool:
        """Return True if the exit that the task stands behind, if any, is still in time."""
        if exit_ is None:
            return False
        head_ns = self._times.mean_ns(now_ns, exit_, task.next_stage)
        return head_ns <= task.leave_by_ns - now_ns
