"""Means over seeds, and how far they may be off by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t, 97.5th of 100, for 1 to 9 degrees of freedom; from there on the normal's is used."""
_NORMAL95 = 1.96


def mean(values: Sequence[float]) -> float:
    """The mean of some values, one at least."""
    return sum(values) / len(values)


def half_width(values: Sequence[float]) -> float:
    """Half of the 95% confidence interval of their mean; infinite for a single value."""
    if len(values) < 2:
        return math.inf
    freedom = len(values) - 1
    t = _T95[freedom - 1] if freedom <= len(_T95) else _NORMAL95
    return t * stdev(values) / math.sqrt(len(values))
