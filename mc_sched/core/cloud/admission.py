"""Admission on the cloud: which exits can serve a task in time, or why none can."""

from __future__ import annotations

from mc_sched.core.cloud.downlinks import Downlinks
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.events import Received
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.trial import may_follow
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.task import RefusalCode
from mc_sched.core.value import value


@value
class Refusal:
    """The reason why a task is not taken, as a code for programs and a sentence for people."""

    code: RefusalCode
    reason: str


class CloudAdmission:
    """Algorithm II's first step: the acceptable exit closest to the input that is in time."""

    def __init__(
        self,
        table: CloudTable,
        times: CloudTimePredictor,
        downlinks: Downlinks,
        quantile: float,
        max_tasks: int,
    ) -> None:
        self._table, self._times, self._downlinks = table, times, downlinks
        self._profile = CloudTimePredictor(table, quantile)
        """Forecasts without any measurement, for trials."""
        self.max_tasks = max_tasks
        self.draining = False

    def candidates(
        self, now_ns: int, task: CloudTask, open_tasks: int, queue_ns: int
    ) -> tuple[Exit, ...] | Refusal:
        """Return the first acceptable exit that is in time and those behind it, or a refusal.

        `open_tasks` other tasks are on this node; the task waits `queue_ns` before it runs.
        """
        if self.draining:
            return Refusal(RefusalCode.DRAINING, "the agent is shutting down")
        if open_tasks >= self.max_tasks:
            return Refusal(
                RefusalCode.TOO_MANY_TASKS,
                f"{self.max_tasks} tasks are open already, the limit max_tasks",
            )
        received, times = task.received, self.times_for(task)
        accurate = self._table.acceptable(received.codec, received.accuracy)
        if not accurate:
            return self._inaccurate(received)
        left_ns = task.due_ns - now_ns - queue_ns - self._downlinks.forecast_ns(received)
        for place, exit_ in enumerate(accurate):
            if times.upper_ns(now_ns, exit_, task.next_stage) <= left_ns:
                return accurate[place:]
        if not open_tasks and (tried := self._tried(now_ns, task, left_ns, accurate)):
            return tried
        needed_ns = min(times.upper_ns(now_ns, e, task.next_stage) for e in accurate)
        return Refusal(
            RefusalCode.INFEASIBLE,
            f"the first acceptable exit needs {needed_ns / 1e6:.1f} ms, "
            f"{max(0, left_ns) / 1e6:.1f} ms are left",
        )

    # --- trials -----------------------------------------------------------------------------

    def times_for(self, task: CloudTask) -> CloudTimePredictor:
        """The times that a task's forecasts rest on: measured, or for a trial only profiled."""
        return self._profile if task.trial_after_ns else self._times

    def _tried(
        self, now_ns: int, task: CloudTask, left_ns: int, accurate: tuple[Exit, ...]
    ) -> tuple[Exit, ...]:
        """Return the candidates by the profile alone if a trial may follow; else none."""
        measured_ns = self._times.measured_ns
        if task.trial_after_ns or not may_follow(now_ns, measured_ns):
            return ()
        for place, exit_ in enumerate(accurate):
            if self._profile.upper_ns(now_ns, exit_, task.next_stage) <= left_ns:
                task.trial_after_ns = now_ns - measured_ns
                return accurate[place:]
        return ()

    def set_quantile(self, quantile: float) -> None:
        """Forecast trials at another upper quantile from now on."""
        self._profile.set_quantile(quantile)

    def _inaccurate(self, received: Received) -> Refusal:
        best = max((e.accuracy.get(received.codec, 0.0) for e in self._table.exits), default=0.0)
        return Refusal(
            RefusalCode.INFEASIBLE,
            f"the best exit reaches accuracy {best:.3f}, {received.accuracy:.3f} is demanded",
        )
