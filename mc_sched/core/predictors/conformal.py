"""A quantile's level that keeps its promise: adaptive conformal inference.

Gibbs and Candes, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021,
arXiv 2106.00263, equation (2): after each forecast alpha moves by GAMMA * (target - missed). A miss
widens the next forecasts, each one that holds narrows them a little, and where the two balance the
misses' share is the target, whatever the samples' distribution does on the way. Their proposition
4.1: over T forecasts the share is off by at most (1 + GAMMA) / (GAMMA * T), if a level of 1 and
above means a forecast that cannot miss. A window of samples has no such forecast; past its largest
sample the level becomes a factor (`stretch`) up to LARGEST_STRETCH, so that the bound holds only
where the window itself follows.

What is never tried is never scored: a site that is forecast too slow to be used would stay so for
ever. So a level that hears of no forecast goes back to its target, by half with each HALF_LIFE_NS.
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.quantiles import normal_beyond
from mc_sched.core.scores import Forecast

GAMMA = 0.02
"""Step size. The paper's 0.005 is for thousands of forecasts; this one follows within tens."""
LOWEST = 0.5
"""No upper quantile goes below the median, however long forecasts hold."""
STRETCH = 8.0
"""By how much of itself the largest sample is stretched for each 1.0 above level 1."""
LEAST_CHANCE = 1e-9
LARGEST_STRETCH = 1.5
"""No forecast is stretched further: beyond, the window itself has to learn."""
HALF_LIFE_NS = 4 * 10**9
"""As a whole number of these goes by without a score, so often is the way to the target halved;
shorter than the windows' horizons, past which a site is unknown and worth a try."""


class AdaptiveLevel:
    """The level at which a predictor's windows are asked for their upper quantile.

    `target` is the share of forecasts that have to hold, such as 0.95.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._moving = target
        self._highest = 1.0 + (LARGEST_STRETCH - 1.0) / STRETCH
        self._scored_ns = 0

    def set_quantile(self, target: float) -> None:
        """Another share from now on; what the level had learned beside the old one stays."""
        moved = self._moving + target - self._target
        self._moving = min(self._highest, max(LOWEST, moved))
        self._target = target

    def record(self, now_ns: int, held: bool) -> None:
        """A forecast made at this level held, or did not."""
        self._move(now_ns, 0.0 if held else 1.0)

    def record_unfinished(self, now_ns: int, forecast: Forecast, elapsed_ns: int) -> None:
        """Of a forecast it is only known that its truth is more than `elapsed_ns`.

        Past the upper quantile that is a miss. Before, it counts as the share of a miss that is to
        be expected of it: P(beyond the quantile | beyond the elapsed time), as if it were normal.
        Without that only the quick ones would be scored, as the slow ones are broken off.
        """
        missed = 1.0
        if elapsed_ns < forecast.upper_ns:
            beyond = normal_beyond(elapsed_ns, forecast.mean_ns, forecast.upper_ns)
            missed = min(1.0, (1.0 - self._target) / max(beyond, LEAST_CHANCE))
        self._move(now_ns, missed)

    def _move(self, now_ns: int, missed: float) -> None:
        moved = self._at(now_ns) + GAMMA * (missed - (1.0 - self._target))
        self._moving = min(self._highest, max(LOWEST, moved))
        self._scored_ns = now_ns

    def level(self, now_ns: int) -> float:
        """The level for the next forecast, in [LOWEST, 1]."""
        return min(1.0, self._at(now_ns))

    def stretch(self, now_ns: int) -> float:
        """What to multiply the largest sample by; 1.0 while the level is below 1."""
        return 1.0 + STRETCH * max(0.0, self._at(now_ns) - 1.0)

    def upper(self, window: SampleWindow, now_ns: int) -> float:
        """The window's upper quantile, as wide as it has to be."""
        moving = self._at(now_ns)
        if moving <= 1.0:
            return window.quantile(now_ns, moving)
        return window.quantile(now_ns, 1.0) * (1.0 + STRETCH * (moving - 1.0))

    def _at(self, now_ns: int) -> float:
        """The moving level: of the time since the last score and not of when it is asked for, so
        that a log, which knows of no questions, replays."""
        since_ns = now_ns - self._scored_ns
        if since_ns < HALF_LIFE_NS:
            return self._moving
        halvings = since_ns // HALF_LIFE_NS
        return self._target + (self._moving - self._target) * 0.5**halvings
