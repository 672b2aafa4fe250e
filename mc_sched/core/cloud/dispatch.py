"""Batches for an idle executor, and news about tasks whose answer moves.

The next batch is led by the task that is due first. Others at the same stage join it as far as the
plan lets them: as long as the batch and all tasks behind it are in time, and as long as a larger
batch gains time per task.
"""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.cloud.exit_choice import Choice, ExitChoice
from mc_sched.core.cloud.plan import Plan
from mc_sched.core.cloud.schedule import Piece
from mc_sched.core.cloud.stages import StageEvents
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.scores import NOTHING
from mc_sched.core.transitions import CloudState

REPORTED_CHANGE_NS = 2_000_000
"""Smallest change of a forecast that is reported; each message delays the running stage."""


class Dispatch:
    """Starts work whenever the executor is idle."""

    def __init__(self, state: NodeState, choice: ExitChoice, stages: StageEvents) -> None:
        self._state, self._choice, self._stages = state, choice, stages

    def advance(self) -> None:
        """Report the tasks whose forecast has moved, and give an idle executor a batch."""
        schedule = self._state.schedule
        continuing, self._stages.continuing = self._stages.continuing, []
        if schedule.piece is not None:
            if continuing:
                self._report(continuing, self._plan(idle=False))
            return
        plan = self._plan(idle=True)
        if continuing:
            self._report(continuing, plan)
        while not self._start(plan):
            plan = self._plan(idle=True)

    def _plan(self, idle: bool) -> Plan:
        schedule, now_ns = self._state.schedule, self._state.now_ns
        plan = schedule.plan(now_ns)
        schedule.extend(plan, now_ns, schedule.order, idle)
        return plan

    def _start(self, plan: Plan) -> bool:
        """Start the plan's first batch; False if its tasks were stopped instead."""
        for batch in plan.batches:
            if batch.tasks[0].state is CloudState.WAITING:
                return self._start_batch(batch.tasks)
        return True

    def _start_batch(self, tasks: list[CloudTask]) -> bool:
        now_ns = self._state.now_ns
        feasible = []
        for task in tasks:
            passed = task.exit_behind(task.next_stage - 1)
            choice = self._choice.before_stage(now_ns, task, passed)
            if choice is Choice.CONTINUE:
                feasible.append(task)
            elif choice is Choice.STOP:
                self._stages.stop(task)
            elif passed is not None:
                self._stages.run_head((task,), passed)
                return True
        if feasible:
            self._run_stage(feasible)
        return bool(feasible)

    def _run_stage(self, tasks: list[CloudTask]) -> None:
        state, now_ns, stage = self._state, self._state.now_ns, tasks[0].next_stage
        batch = tuple(tasks[: state.sizes.best_size(stage, len(tasks))])
        for task in batch:
            if task.expected_wait is not NOTHING:
                score = state.schedule.waited(task, now_ns)
                task.expected_wait = NOTHING
                state.record(task, score)
            task.move("run_stage")
            task.path = None if task.path is None else task.path.tail
        action = do.RunStage(tuple([task.task_id for task in batch]), stage)
        known_ns = state.sizes.stage_ns(stage, len(batch))
        expected = state.times.forecast(now_ns, known_ns)
        state.schedule.piece = Piece(batch, action, now_ns, known_ns, expected)
        state.actions.append(action)

    def _report(self, continuing: list[CloudTask], plan: Plan) -> None:
        """Report new forecasts that differ enough from those that the edges know."""
        state = self._state
        for task in continuing:
            end_ns = state.now_ns + state.schedule.answer_in_ns(state.now_ns, task, plan)
            if abs(end_ns - task.reported_end_ns) >= REPORTED_CHANGE_NS:
                task.reported_end_ns = end_ns
                remaining_ns = end_ns - state.now_ns
                state.actions.append(do.Progress(task.task_id, task.next_stage - 1, remaining_ns))
