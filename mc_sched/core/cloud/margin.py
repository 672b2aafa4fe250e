"""Margin of the forecast of a waiting task's answer.

Noise, the hand-over between threads and more urgent tasks that come later make tasks that wait end
later than the plan says. A task is admitted only if it would be in time by the upper quantile of
what was measured of the last ones. The quantile is high: a node that is overloaded admits tasks
until the next one would be late by exactly this forecast.

A task that does not wait is judged by the times of its stages alone. So a margin that has grown
cannot keep tasks away from an idle node, and it is forgotten within a second.
"""

from __future__ import annotations

from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast

PRIOR = (1.0,)
"""Ratio of measured to forecast time before anything was measured."""
SAMPLES, HORIZON_NS = 64, 10**9
SHARE_OF_MISSES = 0.2
"""Share of the misses that the quantile of the other forecasts allows."""


class FinishMargin:
    """Upper quantile of the time from a task's acceptance until its answer, if it waits."""

    def __init__(self, quantile: float, grain_ns: int) -> None:
        self._grain_ns = grain_ns
        """Time added to forecast and measured times, so that short ones are not judged by their
        relative errors."""
        self._ratios = SampleWindow(PRIOR, size=SAMPLES, horizon_ns=HORIZON_NS)
        self._level = AdaptiveLevel(_target(quantile))

    def set_quantile(self, quantile: float) -> None:
        """Follow another quantile of the node's forecasts from now on."""
        self._level.set_quantile(_target(quantile))

    def factor(self, now_ns: int) -> float:
        """Ratio of the upper quantile to the mean, of times to which one grain was added."""
        return max(1.0, self._level.upper(self._ratios, now_ns))

    def forecast(self, now_ns: int, mean_ns: int) -> Forecast:
        """Forecast of a task's answer that the plan puts at `mean_ns` from now."""
        upper_ns = (mean_ns + self._grain_ns) * self.factor(now_ns) - self._grain_ns
        return Forecast(mean_ns, int(upper_ns))

    def line(self, now_ns: int, slowdown: float) -> tuple[float, float]:
        """Return `a` and `b`: for an answer until the moment t, the plan may say a * t + b.

        The plan's times are without the slowdown, and from now.
        """
        grain_ns, factor = self._grain_ns, self.factor(now_ns)
        rise = 1.0 / (factor * slowdown)
        return rise, (grain_ns - now_ns) * rise - grain_ns / slowdown

    def record(self, now_ns: int, expected: Forecast, took_ns: int) -> None:
        """Take the time that a task took until its answer, or a time that it exceeded."""
        grain_ns = self._grain_ns
        self._level.record(now_ns, took_ns <= expected.upper_ns)
        self._ratios.add(now_ns, (took_ns + grain_ns) / (expected.mean_ns + grain_ns))


def _target(quantile: float) -> float:
    return 1.0 - SHARE_OF_MISSES * (1.0 - quantile)
