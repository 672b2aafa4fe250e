"""Quantiles: one definition for the predictors, the summary and the benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence

_ROUNDING = 5e-10
"""By which q * n may exceed a rank: 0.07 * 100 is 7.000000000000001, and its rank 7, not 8."""


def nearest_rank(ordered: Sequence[float], q: float) -> float:
    """The smallest sample that at least the share `q` in [0, 1] of all samples does not exceed.

    `ordered` is sorted upwards; IndexError if it is empty.
    """
    rank = math.ceil(q * len(ordered) - _ROUNDING)
    return ordered[rank - 1 if rank > 0 else 0]


SURE = 0.95
"""The upper quantile, as it is by default."""
DEVIATIONS = 1.645
"""From a normal mean to it."""


def normal_exceedance(limit_ns: float, mean_ns: float, upper_ns: float) -> float:
    """That a time of this mean and upper quantile is longer than the limit, were it normal."""
    deviation_ns = max(1.0, (upper_ns - mean_ns) / DEVIATIONS)
    return 0.5 * math.erfc((limit_ns - mean_ns) / deviation_ns / math.sqrt(2))
