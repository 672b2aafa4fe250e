"""Largest value and rate of the last second or so, at the cost of three numbers."""

from __future__ import annotations

PERIOD_NS = 500_000_000
"""Length of a period; values count for one to two of them."""


class Recent:
    """Values of this period of `PERIOD_NS` and of the one before. Reading changes nothing."""

    __slots__ = ("_before", "_current", "_period")

    def __init__(self) -> None:
        self._period = self._before = self._current = 0

    def raise_to(self, now_ns: int, value: int) -> None:
        """Take a value; the largest one of a period counts."""
        self._begin(now_ns)
        self._current = max(self._current, value)

    def count(self, now_ns: int) -> None:
        """Count an event."""
        self._begin(now_ns)
        self._current += 1

    def largest(self, now_ns: int) -> int:
        """Return the larger value of both periods."""
        return max(self._at(now_ns))

    def per_ns(self, now_ns: int) -> float:
        """Return the rate of the events that were counted."""
        return sum(self._at(now_ns)) / (PERIOD_NS + now_ns % PERIOD_NS)

    def _begin(self, now_ns: int) -> None:
        self._before, self._current = self._at(now_ns)
        self._period = now_ns // PERIOD_NS

    def _at(self, now_ns: int) -> tuple[int, int]:
        passed = now_ns // PERIOD_NS - self._period
        if passed == 0:
            return self._before, self._current
        return (self._current if passed == 1 else 0), 0
