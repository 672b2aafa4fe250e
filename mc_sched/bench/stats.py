"""Medians and quantiles of measured samples."""

from __future__ import annotations

from collections.abc import Sequence

from mc_sched.core.quantiles import nearest_rank


def quantile(samples: Sequence[float], q: float) -> float:
    """Nearest-rank quantile. Raises IndexError if there are no samples."""
    return nearest_rank(sorted(samples), q)


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the lower one of the two in the middle."""
    return quantile(samples, 0.5)


def ratio(samples: Sequence[float], baseline: Sequence[float]) -> float:
    """Ratio of the medians of two interleaved series."""
    return median(samples) / median(baseline)
