"""Histogram of durations in fixed buckets, as metrics systems add them up."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

_MS = 1_000_000
LATENCY_BOUNDS_NS = tuple(
    bound * _MS
    for bound in (1, 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
)
"""Bounds of latencies, from a fast stage to a deadline far beyond interactive use."""
SLACK_BOUNDS_NS = tuple(
    bound * _MS for bound in (-1000, -200, -50, -20, -10, -5, 0, 5, 10, 20, 50, 100, 200, 1000)
)
"""Time left at the outcome; negative if the task was late."""


@dataclass
class Histogram:
    """Counts per bucket, the last one unbounded, and the sum of all durations."""

    bounds_ns: tuple[int, ...]
    """Upper bounds, inclusive."""
    counts: list[int] = field(default_factory=list)
    sum_ns: int = 0

    def __post_init__(self) -> None:
        """Start with empty buckets if no counts are given."""
        self.counts = self.counts or [0] * (len(self.bounds_ns) + 1)

    def add(self, value_ns: int) -> None:
        """Count a duration."""
        self.counts[bisect_left(self.bounds_ns, value_ns)] += 1
        self.sum_ns += value_ns

    def copy(self) -> Histogram:
        """Return an independent copy."""
        return Histogram(self.bounds_ns, list(self.counts), self.sum_ns)
