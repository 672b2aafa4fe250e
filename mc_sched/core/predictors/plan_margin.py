"""Margin of the plan: how much longer than planned the executor takes for the work that it does.

Noise, a slowdown that rises and the hand-over between threads make waiting tasks end later than
the plan says. A task is admitted, or let into a batch, only if all are in time by the upper
quantile of what was measured of the last tasks. The quantile is high: an overloaded node admits
tasks until the next one would be late by exactly this forecast.

Tasks are compared with the work that was done while they waited, not with the plan at their
acceptance: that other tasks join their batch is planned as soon as it happens.

A task that does not wait is judged by the times of its stages alone. So a margin that has grown
cannot keep tasks away from an idle node, and it is forgotten within a second.
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.value import value

PRIOR = (1.0,)
"""Ratio of measured to planned time before anything was measured."""
SAMPLES, HORIZON_NS = 64, 10**9
SHARE_OF_MISSES = 0.1
"""Share of the misses that the quantile of the other forecasts allows."""
MOST = 0.75
RAISE, LARGEST_RAISE = 0.1, 0.5
"""Increase of the ratio by each batch that was late, and its limit."""
HALF_LIFE_NS = 2 * 10**9
"""Time in which that increase is halved."""


@value
class Waiting:
    """The moment when a task began to wait, and the executor's forecasts then."""

    since_ns: int
    work_ns: float
    """Profiled time of all work that was done before."""
    slowdown: float
    factor: float


class PlanMargin:
    """Upper quantile of the ratio of measured to planned time of waiting tasks."""

    def __init__(self, quantile: float, grain_ns: int) -> None:
        self._grain_ns = grain_ns
        """Time added to planned and measured times, so that short ones are not judged by their
        relative errors."""
        self._ratios = SampleWindow(PRIOR, size=SAMPLES, horizon_ns=HORIZON_NS)
        self._quantile = _target(quantile)
        self._recorded_ns = 0
        self._raised, self._raised_ns = 0.0, 0
        """Increase by late batches at the moment of the last one."""

    def set_quantile(self, quantile: float) -> None:
        """Follow another quantile of the node's forecasts from now on."""
        self._quantile = _target(quantile)

    def factor(self, now_ns: int) -> float:
        """Ratio of the upper quantile to the mean, of times to which one grain was added."""
        return max(1.0, self._ratios.quantile(now_ns, self._quantile)) + self._raise(now_ns)

    def usual(self, now_ns: int) -> float:
        """Ratio that most of the last tasks did not exceed."""
        return max(1.0, self._ratios.quantile(now_ns, MOST))

    def _raise(self, now_ns: int) -> float:
        """Increase because of batches that were late."""
        if not self._raised:
            return 0.0
        return float(self._raised * 0.5 ** ((now_ns - self._raised_ns) / HALF_LIFE_NS))

    def upper_ns(self, now_ns: int, planned_ns: int) -> int:
        """Upper quantile of a time that the plan puts at `planned_ns`."""
        return int((planned_ns + self._grain_ns) * self.factor(now_ns)) - self._grain_ns

    def record(self, now_ns: int, waiting: Waiting, work_ns: float, late: bool) -> None:
        """Take the end of a task's wait, after which all work done is `work_ns`.

        The tasks of a batch end together and count once.
        """
        if now_ns == self._recorded_ns:
            return
        self._recorded_ns = now_ns
        planned_ns = (work_ns - waiting.work_ns) * waiting.slowdown + self._grain_ns
        ratio = (now_ns - waiting.since_ns + self._grain_ns) / planned_ns
        self._ratios.add(now_ns, ratio)
        if late:
            self._raised = min(LARGEST_RAISE, self._raise(now_ns) + RAISE)
            self._raised_ns = now_ns


def _target(quantile: float) -> float:
    return 1.0 - SHARE_OF_MISSES * (1.0 - quantile)
