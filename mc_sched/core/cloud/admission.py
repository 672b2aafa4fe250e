"""Admission on the cloud: which exits can serve a task in time, or why none can."""

from __future__ import annotations

from bisect import bisect_right
from math import inf

from mc_sched.core.cloud.plan import Plan
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.cloud.task import CloudTask, due
from mc_sched.core.events import Received
from mc_sched.core.predictors.batch_time import Path
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.trial import may_follow
from mc_sched.core.scores import Forecast
from mc_sched.core.tables import Exit
from mc_sched.core.task import RefusalCode
from mc_sched.core.value import value

GAP_WEIGHT = 0.1
"""Weight of the last gap between two arrivals in their mean; about the last ten gaps count."""


@value
class Refusal:
    """The reason why a task is not taken, as a code for programs and a sentence for people."""

    code: RefusalCode
    reason: str


@value
class Admission:
    """The exits that may serve a task, and the forecast of its answer."""

    candidates: tuple[Exit, ...]
    """Acceptable exits, closest to the input first; the first is the target."""
    start_ns: int
    """Mean time from now until its first stage can start."""
    end_ns: int
    """Mean time from now until the answer of its target."""


class CloudAdmission:
    """Algorithm II's first step: the acceptable exit closest to the input that is in time.

    A task waits for those that are due before it. It is admitted if it is in time behind them, and
    if those that are due after it remain in time.
    """

    def __init__(self, state: NodeState, quantile: float, max_tasks: int) -> None:
        self._state = state
        self._profile = CloudTimePredictor(state.table, quantile)
        """Forecasts without any measurement, for trials."""
        self._arrived_ns, self._mean_gap_ns = 0, 1e9
        """Moment of the last arrival, and the mean time between the last ones."""
        self.max_tasks = max_tasks
        self.draining = False

    def judge(self, task: CloudTask, ready: Forecast) -> Admission | Refusal:
        """Admit the task, whose payload is decoded after the forecast `ready`, or refuse it."""
        if self.draining:
            return Refusal(RefusalCode.DRAINING, "the agent is shutting down")
        if self._state.open_tasks >= self.max_tasks:
            return Refusal(
                RefusalCode.TOO_MANY_TASKS,
                f"{self.max_tasks} tasks are open already, the limit max_tasks",
            )
        received = task.received
        accurate = self._state.table.acceptable(received.codec, received.accuracy)
        if not accurate:
            return self._inaccurate(received)
        return self._in_time(task, accurate, ready)

    def _inaccurate(self, received: Received) -> Refusal:
        exits = self._state.table.exits
        best = max((e.accuracy.get(received.codec, 0.0) for e in exits), default=0.0)
        return Refusal(
            RefusalCode.INFEASIBLE,
            f"the best exit reaches accuracy {best:.3f}, {received.accuracy:.3f} is demanded",
        )

    def _in_time(
        self, task: CloudTask, accurate: tuple[Exit, ...], ready: Forecast
    ) -> Admission | Refusal:
        """Choose the first exit that is in time behind the tasks that are due before."""
        state, now_ns, times = self._state, self._state.now_ns, self.times_for(task)
        before = bisect_right(state.schedule.order, task.due_ns, key=due)
        plan = state.schedule.plan(now_ns)
        state.schedule.extend(plan, now_ns, state.schedule.order[:before], False)
        ready_in_ns, left_ns = ready.mean_ns, task.leave_by_ns - now_ns
        least = inf, 0
        for number, exit_ in enumerate(accurate):
            task.path = path = state.sizes.path(task.next_stage, exit_)
            alone_ns = times.mean_ns(now_ns, exit_, task.next_stage)
            upper_ns = times.upper_ns(now_ns, exit_, task.next_stage)
            place = plan.place(path, path.first)
            waits_ns = int(place.start_ns * state.times.slowdown(now_ns))
            start_ns = max(ready_in_ns, waits_ns)
            runs_ns = int((place.end_ns - place.start_ns) * times.slowdown(now_ns))
            end_ns = max(ready_in_ns + alone_ns, waits_ns + runs_ns)
            longest_ns = max(end_ns - alone_ns, ready.upper_ns)
            if waits_ns > ready_in_ns:
                joiners_ns = self._joiners_ns(path, waits_ns) if place.opens else 0
                latest_ns = state.schedule.margin.upper_ns(now_ns, end_ns + joiners_ns)
                longest_ns = max(longest_ns + joiners_ns, latest_ns - upper_ns)
            if longest_ns + upper_ns <= left_ns:
                if self._delays_others(task, plan, before):
                    return Refusal(RefusalCode.INFEASIBLE, "tasks that are due later would be late")
                return Admission(accurate[number:], start_ns, end_ns)
            least = min(least, (upper_ns, longest_ns))
        tried = self._tried(task, left_ns - ready_in_ns, accurate)
        if tried:
            alone_ns = self._profile.mean_ns(now_ns, tried[0], task.next_stage)
            return Admission(tried, ready_in_ns, ready_in_ns + alone_ns)
        needed_ns, longest_ns = least
        return Refusal(
            RefusalCode.INFEASIBLE,
            f"the first acceptable exit needs {needed_ns / 1e6:.1f} ms, "
            f"{max(0, left_ns - longest_ns) / 1e6:.1f} ms are left",
        )

    def _joiners_ns(self, path: Path, waits_ns: int) -> int:
        """Time by which the tasks that are expected to come meanwhile lengthen a task's batch.

        A batch is as large as its first task can bear. Tasks that can only bear a small one would
        make an overloaded node run many small batches, and serve fewer tasks.
        """
        sizes = self._state.sizes
        expected = 1 + int(waits_ns / max(1, self._gap_ns()))
        size = min(sizes.limits[path.first], expected)
        more_ns = sizes.path_ns(path, size) - path.alone_ns
        return int(more_ns * self._state.times.slowdown(self._state.now_ns))

    def arrived(self) -> None:
        """Note the arrival of a payload."""
        now_ns = self._state.now_ns
        self._mean_gap_ns += GAP_WEIGHT * (now_ns - self._arrived_ns - self._mean_gap_ns)
        self._arrived_ns = now_ns

    def _gap_ns(self) -> int:
        """Mean time between two arrivals."""
        return int(max(self._mean_gap_ns, self._state.now_ns - self._arrived_ns))

    def _delays_others(self, task: CloudTask, plan: Plan, before: int) -> bool:
        """Return True if an accepted task that is due after this one would be late because of it.

        Those that are not decoded are judged again when they are.
        """
        schedule, now_ns = self._state.schedule, self._state.now_ns
        if before == len(schedule.order):
            return False
        schedule.extend(plan, now_ns, (task,), False)
        plan.least_spare_ns = inf
        schedule.extend(plan, now_ns, schedule.order[before:], False)
        return plan.least_spare_ns < 0.0

    # --- trials -----------------------------------------------------------------------------

    def times_for(self, task: CloudTask) -> CloudTimePredictor:
        """The times that a task's forecasts rest on: measured, or for a trial only profiled."""
        return self._profile if task.trial_after_ns else self._state.times

    def _tried(self, task: CloudTask, left_ns: int, accurate: tuple[Exit, ...]) -> tuple[Exit, ...]:
        """Return the candidates by the profile alone if a trial may follow; else none."""
        now_ns, measured_ns = self._state.now_ns, self._state.times.measured_ns
        if self._state.open_tasks or task.trial_after_ns or not may_follow(now_ns, measured_ns):
            return ()
        for number, exit_ in enumerate(accurate):
            if self._profile.upper_ns(now_ns, exit_, task.next_stage) <= left_ns:
                task.trial_after_ns = now_ns - measured_ns
                task.path = self._state.sizes.path(task.next_stage, exit_)
                return accurate[number:]
        return ()

    def set_quantile(self, quantile: float) -> None:
        """Forecast trials at another upper quantile from now on."""
        self._profile.set_quantile(quantile)
