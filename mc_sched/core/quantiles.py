"""Quantiles, as the predictors, the summary and the benchmarks use them."""

from __future__ import annotations

import math
from collections.abc import Sequence

_ROUNDING = 5e-10
"""Rounding error allowed in q * n: 0.07 * 100 is 7.000000000000001, and its rank is 7, not 8."""


def nearest_rank(ordered: Sequence[float], q: float) -> float:
    """Smallest sample that the share `q` in [0, 1] of all samples does not exceed.

    `ordered` is in ascending order; IndexError if it is empty.
    """
    rank = math.ceil(q * len(ordered) - _ROUNDING)
    return ordered[rank - 1 if rank > 0 else 0]


SURE = 0.95
"""The default upper quantile."""
DEVIATIONS = 1.645
"""Standard deviations from a normal distribution's mean to its 95% quantile."""


def normal_exceedance(limit_ns: float, mean_ns: float, upper_ns: float) -> float:
    """Probability that a normal time with this mean and upper quantile exceeds the limit."""
    deviation_ns = max(1.0, (upper_ns - mean_ns) / DEVIATIONS)
    return 0.5 * math.erfc((limit_ns - mean_ns) / deviation_ns / math.sqrt(2))
