"""Medians and quantiles of measured samples."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(samples: Sequence[float], q: float) -> float:
    """Nearest-rank quantile; `samples` must not be empty."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def median(samples: Sequence[float]) -> float:
    """The middle sample."""
    return quantile(samples, 0.5)


def ratio(samples: Sequence[float], baseline: Sequence[float]) -> float:
    """Median over median of two interleaved series."""
    return median(samples) / median(baseline)
