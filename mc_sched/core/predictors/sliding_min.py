"""Sliding minimum: the least value of the recent past."""

from __future__ import annotations

from collections import deque


class SlidingMin:
    """Minimum of the values that are younger than `horizon_ns`."""

    def __init__(self, horizon_ns: int) -> None:
        self._horizon_ns = horizon_ns
        self._rising: deque[tuple[int, float]] = deque()
        """Moments and values; each value is less than all later ones."""

    def add(self, now_ns: int, value: float) -> None:
        """Take a value."""
        while self._rising and self._rising[-1][1] >= value:
            self._rising.pop()
        while self._rising and self._rising[0][0] < now_ns - self._horizon_ns:
            self._rising.popleft()
        self._rising.append((now_ns, value))

    def least(self, now_ns: int, otherwise: float) -> float:
        """Return the minimum, or `otherwise` if there is no value."""
        for at_ns, value in self._rising:
            if at_ns >= now_ns - self._horizon_ns:
                return value
        return otherwise
