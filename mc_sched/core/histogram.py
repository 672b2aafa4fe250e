"""How often durations fell into fixed buckets: what a metrics system can add up over time."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

_MS = 1_000_000
LATENCY_BOUNDS_NS = tuple(
    bound * _MS
    for bound in (1, 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
)
"""From a fast stage to a deadline that nobody watches any more."""
SLACK_BOUNDS_NS = tuple(
    bound * _MS for bound in (-1000, -200, -50, -20, -10, -5, 0, 5, 10, 20, 50, 100, 200, 1000)
)
"""Time left at the outcome; below 0 it was late."""


@dataclass
class Histogram:
    """Counts per bucket, the last one without an end, and the sum of what was entered."""

    bounds_ns: tuple[int, ...]
    """Upper ends, included in their bucket."""
    counts: list[int] = field(default_factory=list)
    sum_ns: int = 0

    def __post_init__(self) -> None:
        """Empty, unless counts are given."""
        self.counts = self.counts or [0] * (len(self.bounds_ns) + 1)

    def add(self, value_ns: int) -> None:
        """Enter a duration."""
        self.counts[bisect_left(self.bounds_ns, value_ns)] += 1
        self.sum_ns += value_ns

    def copy(self) -> Histogram:
        """As it is now."""
        return Histogram(self.bounds_ns, list(self.counts), self.sum_ns)
