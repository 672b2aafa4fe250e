"""A quantile's level that keeps its promise: adaptive conformal inference.

Gibbs and Candes, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021,
arXiv 2106.00263, equation (2): after each forecast alpha moves by GAMMA * (target - missed). A miss
widens the next forecasts, each one that holds narrows them a little, and where the two balance the
misses' share is the target, whatever the samples' distribution does on the way. Their proposition
4.1: over T forecasts the share is off by at most (1 + GAMMA) / (GAMMA * T), if a level of 1 and
above means a forecast that cannot miss. A window of samples has no such forecast; past its largest
sample the level becomes a factor (`stretch`) up to LARGEST_STRETCH, so that the bound holds only
where the window itself follows.
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow

GAMMA = 0.02
"""Step size. The paper's 0.005 is for thousands of forecasts; this one follows within tens."""
LOWEST = 0.5
"""No upper quantile goes below the median, however long forecasts hold."""
STRETCH = 8.0
"""By how much of itself the largest sample is stretched for each 1.0 above level 1."""
LARGEST_STRETCH = 1.5
"""No forecast is stretched further: beyond, the window itself has to learn; and a site that is
forecast too slow to be tried is never scored, so that its level would not come back."""


class AdaptiveLevel:
    """The level at which a predictor's windows are asked for their upper quantile.

    `target` is the share of forecasts that have to hold, such as 0.95.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._moving = target
        self._highest = 1.0 + (LARGEST_STRETCH - 1.0) / STRETCH
        self.level = target
        """The level for the next forecast, in [LOWEST, 1]."""
        self.stretch = 1.0
        """What to multiply the largest sample by; 1.0 while the level is below 1."""

    def record(self, held: bool) -> None:
        """A forecast made at this level held, or did not."""
        missed = 0.0 if held else 1.0
        moved = self._moving + GAMMA * (missed - (1.0 - self._target))
        self._moving = min(self._highest, max(LOWEST, moved))
        self.level = min(1.0, self._moving)
        self.stretch = 1.0 + STRETCH * max(0.0, self._moving - 1.0)

    def upper(self, window: SampleWindow, now_ns: int) -> float:
        """The window's upper quantile, as wide as it has to be."""
        return window.quantile(now_ns, self.level) * self.stretch
