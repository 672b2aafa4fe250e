"""Quantiles: one definition for the predictors, the summary and the benchmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence

_DECIMALS = 9
"""To which q * n is rounded: 0.07 * 100 is 7.000000000000001, and its rank 7, not 8."""


def nearest_rank(ordered: Sequence[float], q: float) -> float:
    """The smallest sample that at least the share `q` in [0, 1] of all samples does not exceed.

    `ordered` is sorted upwards; IndexError if it is empty.
    """
    rank = math.ceil(round(q * len(ordered), _DECIMALS))
    return ordered[max(rank, 1) - 1]
