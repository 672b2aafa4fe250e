"""Forecasts of the work on the cloud: the running piece, the rest of each task, the queue.

All are mean times. A task is expected to answer at its target. A task that is past its target is
expected to answer at the next exit if another task is open, else at the last one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable
from math import inf

from mc_sched.core import actions as do
from mc_sched.core.cloud.plan import ACCEPTED, Plan
from mc_sched.core.cloud.task import CloudTask, due
from mc_sched.core.predictors.batch_time import BatchTimes, Path
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.plan_margin import PlanMargin, Waiting
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.tables import Exit
from mc_sched.core.transitions import CloudState
from mc_sched.core.value import value

WAIT_PRIOR = (1.0, 1.0, 1.2, 1.5)
"""Prior ratio of measured to forecast wait, with one mean stage added to both."""


@value
class Piece:
    """The stage or head that the executor runs, for a batch of tasks."""

    tasks: tuple[CloudTask, ...]
    action: do.RunStage | do.RunHead
    since_ns: int
    known_ns: float
    """Mean time without the slowdown."""
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

    def __init__(self, times: CloudTimePredictor, sizes: BatchTimes, quantile: float) -> None:
        self._times, self._sizes = times, sizes
        self._wait_level = AdaptiveLevel(quantile)
        self._waits = SampleWindow(WAIT_PRIOR, horizon_ns=30 * 10**9)
        stages_ns = times.table.stage_ns
        self._grain_ns = sum(stages_ns) // len(stages_ns)
        """One mean stage, added to waits so that short ones are judged by absolute error."""
        self.margin = PlanMargin(quantile, self._grain_ns)
        self.order: list[CloudTask] = []
        """Tasks that need the executor, now or later, by their deadlines."""
        self.piece: Piece | None = None
        self._work_ns = 0.0
        """Time without the slowdown of all pieces that have ended."""
        self._typical: Path | None = None
        """The path of the last task that was admitted."""
        self._batch_ns = 0.0
        """Time without the slowdown of a full batch of such tasks."""

    def set_quantile(self, quantile: float) -> None:
        """Forecast waits at another upper quantile from now on."""
        self._wait_level.set_quantile(quantile)
        self.margin.set_quantile(quantile)

    def add(self, task: CloudTask, exit_: Exit) -> None:
        """Take a task that is expected to answer at `exit_`."""
        task.path = path = self._sizes.path(task.next_stage, exit_)
        self._typical = path
        self._batch_ns = self._sizes.path_ns(path, self._sizes.limits[path.first])
        insort(self.order, task, key=due)

    def advance(self, task: CloudTask) -> None:
        """Take a task that continues behind a stage, past its target or not."""
        if task.path is None or task.path.head_only:
            ahead = task.exits_ahead() or task.candidates[-1:]
            task.path = self._sizes.path(task.next_stage, ahead[0])

    def remove(self, task: CloudTask) -> None:
        """Remove a task that needs no further work, or only the piece that runs."""
        if task.path is not None:
            task.path = None
            self.order.remove(task)

    # --- the plan -----------------------------------------------------------------------------

    def plan(self, now_ns: int) -> Plan:
        """Return a plan that holds the running piece and the heads that follow it, no more."""
        return Plan(self._sizes, self.busy_ns(now_ns) / self._times.slowdown(now_ns))

    def extend(self, plan: Plan, now_ns: int, tasks: Iterable[CloudTask], now: bool) -> None:
        """Add tasks, ordered by their deadlines, to the plan.

        `now`: a batch is formed now, so that tasks that are not decoded cannot join it.

        All are to be in time by the margin. But a batch may grow until its tasks keep only the
        margin of one batch: smaller batches would make more tasks late.
        """
        slowdown, factor = self._times.slowdown(now_ns), self.margin.factor(now_ns)
        grain_ns = self._grain_ns
        bears_rise = 1.0 / slowdown
        bears_base = (1.0 - self.margin.usual(now_ns)) * self._batch_ns - now_ns * bears_rise
        rise = bears_rise / factor
        base = (grain_ns - now_ns) * rise - grain_ns * bears_rise
        for task in tasks:
            path = task.path
            if path is None or path.head_only:
                continue  # only its head is left, which follows the running stage
            group = path.first
            if now and task.state not in ACCEPTED:
                group = ~group
            left_ns = task.leave_by_ns * rise + base
            bears_ns = left_ns
            if now:
                bears_ns = max(left_ns, task.leave_by_ns * bears_rise + bears_base)
            plan.add(task, path, left_ns, bears_ns, group)

    def answer_in_ns(self, now_ns: int, task: CloudTask, plan: Plan) -> int:
        """Mean time until the answer of a waiting task.

        A task that is past its target and alone on this node is expected to pursue the last exit.
        """
        if len(self.order) == 1 and task.next_stage > task.target.stage:
            return self._times.mean_ns(now_ns, task.candidates[-1], task.next_stage)
        return int(plan.ends_in_ns(task) * self._times.slowdown(now_ns))

    def wait_behind_all_ns(self, now_ns: int) -> int:
        """Time until a task like the last one could start that is due after all open tasks."""
        plan = self.full_plan(now_ns)
        start_ns = plan.end_ns
        if self._typical is not None:
            start_ns = plan.place(self._typical, self._typical.first).start_ns
        return int(start_ns * self._times.slowdown(now_ns))

    def full_plan(self, now_ns: int) -> Plan:
        """Return the plan of all open tasks."""
        plan = self.plan(now_ns)
        self.extend(plan, now_ns, self.order, False)
        return plan

    def others_wait(self, batch: Collection[CloudTask]) -> bool:
        """Return True if a task that is not in the batch waits for the executor."""
        return any(task.state is CloudState.WAITING and task not in batch for task in self.order)

    def may_pursue(
        self, now_ns: int, task: CloudTask, exit_: Exit, batch: Collection[CloudTask]
    ) -> bool:
        """Return True if this task, with the others of its batch, may continue to `exit_`.

        It has to answer there before the edge may fall back, and no other task may become late.
        """
        others = [other for other in self.order if other not in batch]
        place = bisect_right(others, task.due_ns, key=due)
        plan = self.plan(now_ns)
        self.extend(plan, now_ns, others[:place], False)
        path = self._sizes.path(task.next_stage, exit_)
        together_ns = self._sizes.path_ns(path, len(batch))
        share = together_ns / self._sizes.path_ns(path, 1)
        upper_ns = int(self._times.upper_ns(now_ns, exit_, task.next_stage) * share)
        end_ns = now_ns + int(plan.end_ns * self._times.slowdown(now_ns)) + upper_ns
        if end_ns + (task.due_ns - task.leave_by_ns) > task.reply_by_ns:
            return False
        plan.end_ns += together_ns
        plan.least_spare_ns = inf
        self.extend(plan, now_ns, others[place:], False)
        return plan.least_spare_ns >= 0.0

    def busy_ns(self, now_ns: int) -> int:
        """Mean time until the executor can take another task.

        A task's head follows its last stage, whoever waits.
        """
        piece = self.piece
        if piece is None:
            return 0
        left_ns = self._piece_left_ns(now_ns, piece)
        heads: dict[int, int] = {}
        for task in piece.tasks:
            if task.path is not None and task.path.head_only:
                heads[task.path.first] = heads.get(task.path.first, 0) + 1
        known_ns = sum([self._sizes.cost_ns(head, tasks) for head, tasks in heads.items()])
        return left_ns + int(known_ns * self._times.slowdown(now_ns))

    def _piece_left_ns(self, now_ns: int, piece: Piece) -> int:
        """Time until the piece ends; 0 if it should have ended by the forecast."""
        mean_ns = int(piece.known_ns * self._times.slowdown(now_ns))
        return max(0, mean_ns - (now_ns - piece.since_ns))

    def end_piece(self) -> None:
        """Take the end of the running piece."""
        if self.piece is not None:
            self._work_ns += self.piece.known_ns
            self.piece = None

    # --- waits --------------------------------------------------------------------------------

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

    def begin_wait(self, now_ns: int) -> Waiting:
        """Return the mark of a task that begins to wait for the running piece and others."""
        slowdown, done_ns = self._times.slowdown(now_ns), self._work_ns
        if self.piece is not None:
            done_ns += self.piece.known_ns - self._piece_left_ns(now_ns, self.piece) / slowdown
        return Waiting(now_ns, done_ns, slowdown, self.margin.factor(now_ns))

    def reached_target(self, task: CloudTask, now_ns: int) -> None:
        """Learn how long a task took up to its target, whether it answers there or not."""
        if task.waiting is not None:
            head_ns = self._times.mean_ns(now_ns, task.target, task.next_stage)
            late = now_ns + head_ns > task.leave_by_ns
            self.margin.record(now_ns, task.waiting, self._work_ns, late)
            task.waiting = None

    def unanswered(self, task: CloudTask, now_ns: int) -> None:
        """Learn from a waiting task that is stopped because it would be late."""
        if task.waiting is not None and self.piece is None:
            self.margin.record(now_ns, task.waiting, self._work_ns, late=True)
            task.waiting = None

    def nearest_ns(self, now_ns: int, task: CloudTask) -> int:
        """Mean time to a waiting task's soonest exit ahead, or to its last exit if it is past."""
        exits = task.exits_ahead() or task.candidates[-1:]
        return self._times.nearest_ns(now_ns, exits, task.next_stage)
