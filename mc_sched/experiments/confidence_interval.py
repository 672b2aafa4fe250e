"""Means over seeds with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5% quantiles of Student's t for 1 to 9 degrees of freedom, from the usual tables."""
_NORMAL95 = 1.959964
"""97.5% quantile of the standard normal distribution."""


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def half_width(values: Sequence[float]) -> float:
    """Return half of the 95% confidence interval of the mean; infinite for a single value."""
    if len(values) < 2:
        return math.inf
    return student_t95(len(values) - 1) * stdev(values) / math.sqrt(len(values))


def student_t95(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t with `freedom` degrees of freedom.

    From 10 on it is the Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun
    1964, 26.7.5), whose error is below 0.0001 for these.
    """
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z = _NORMAL95
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
