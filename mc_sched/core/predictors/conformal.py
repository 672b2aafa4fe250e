"""Adaptive conformal inference: a quantile's level that keeps the target coverage.

Gibbs and Candes, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021,
arXiv 2106.00263, equation (2): after each forecast alpha moves by GAMMA * (target - missed). A miss
widens the next forecasts, and a forecast that holds narrows them a little. In equilibrium the share
of misses is the target, however the distribution of the samples changes. Their proposition 4.1:
over T forecasts the share is off by at most (1 + GAMMA) / (GAMMA * T), if a level of 1 or more
means a forecast that cannot miss. A window of samples has no such forecast. Above its largest
sample the level becomes a factor (`stretch`) of at most LARGEST_STRETCH. So the bound holds only as
far as the window itself follows.

A site whose forecasts are too slow is not used, so its forecasts are not scored either and would
stay too slow for ever. Therefore a level without scores returns to its target, by half with each
HALF_LIFE_NS.
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.quantiles import normal_exceedance
from mc_sched.core.scores import Forecast

GAMMA = 0.02
"""Step size. The paper's 0.005 suits thousands of forecasts; this one adapts within tens."""
LOWEST = 0.5
"""Lowest level: an upper quantile is never below the median, however long forecasts hold."""
STRETCH = 8.0
"""Share of itself by which the largest sample is stretched, per 1.0 of level above 1."""
LEAST_PROBABILITY = 1e-9
LARGEST_STRETCH = 1.5
"""Largest stretch of a forecast; beyond it the window itself has to learn."""
HALF_LIFE_NS = 4 * 10**9
"""Time without a score after which the distance to the target is halved, counted in whole periods.
It is shorter than the windows' horizons, after which a site is unknown and tried again."""


class AdaptiveLevel:
    """Level at which a predictor takes the upper quantile of its windows.

    `target` is the share of forecasts that have to hold, for example 0.95.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._moving = target
        self._highest = 1.0 + (LARGEST_STRETCH - 1.0) / STRETCH
        self._scored_ns = 0

    def set_quantile(self, target: float) -> None:
        """Set another target; the level keeps its distance to the target."""
        moved = self._moving + target - self._target
        self._moving = min(self._highest, max(LOWEST, moved))
        self._target = target

    def forget(self) -> None:
        """Return to the target."""
        self._moving, self._scored_ns = self._target, 0

    def record(self, now_ns: int, held: bool) -> None:
        """Take the result of a forecast: True if its upper quantile held."""
        self._move(now_ns, 0.0 if held else 1.0)

    def record_unfinished(self, now_ns: int, forecast: Forecast, elapsed_ns: int) -> None:
        """Take a forecast whose actual time is only known to exceed `elapsed_ns`.

        After the upper quantile that is a miss. Before it, the forecast counts as the probability
        of a miss: P(time > upper quantile | time > elapsed time) of a normal distribution.
        Otherwise only the fast ones would be scored, because the slow ones are cut off.
        """
        missed = 1.0
        if elapsed_ns < forecast.upper_ns:
            beyond = normal_exceedance(elapsed_ns, forecast.mean_ns, forecast.upper_ns)
            missed = min(1.0, (1.0 - self._target) / max(beyond, LEAST_PROBABILITY))
        self._move(now_ns, missed)

    def _move(self, now_ns: int, missed: float) -> None:
        moved = self._at(now_ns) + GAMMA * (missed - (1.0 - self._target))
        self._moving = min(self._highest, max(LOWEST, moved))
        self._scored_ns = now_ns

    def level(self, now_ns: int) -> float:
        """The level for the next forecast, in [LOWEST, 1]."""
        return min(1.0, self._at(now_ns))

    def stretch(self, now_ns: int) -> float:
        """Factor for the largest sample; 1.0 while the level is below 1."""
        return 1.0 + STRETCH * max(0.0, self._at(now_ns) - 1.0)

    def upper(self, window: SampleWindow, now_ns: int) -> float:
        """Upper quantile of the window at the present level."""
        moving = self._at(now_ns)
        if moving <= 1.0:
            return window.quantile(now_ns, moving)
        return window.quantile(now_ns, 1.0) * (1.0 + STRETCH * (moving - 1.0))

    def _at(self, now_ns: int) -> float:
        """Level at this moment, which depends only on the time since the last score.

        Reading changes nothing, so that a log, which holds no reads, replays.
        """
        since_ns = now_ns - self._scored_ns
        if since_ns < HALF_LIFE_NS:
            return self._moving
        halvings = since_ns // HALF_LIFE_NS
        return self._target + (self._moving - self._target) * 0.5**halvings
