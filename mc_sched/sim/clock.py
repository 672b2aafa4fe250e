"""Virtual time: a heap of what is to happen, done in order without waiting."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Appointment = list[Any]
"""[when in ns, number, call, arguments]; a cancelled one has no call."""


class Clock:
    """The one time of a simulated world, in ns. What falls on one moment happens in the order in
    which it was asked for, so that a run repeats itself exactly."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._heap: list[Appointment] = []
        self._number = 0

    def at(self, at_ns: int, call: Callable[..., None], *args: Any) -> Appointment:
        """Have `call(*args)` happen at `at_ns`, or at once if that has passed."""
        self._number += 1
        appointment = [max(at_ns, self.now_ns), self._number, call, args]
        heappush(self._heap, appointment)
        return appointment

    def cancel(self, appointment: Appointment) -> None:
        """It is not to happen; harmless if it has."""
        appointment[2] = None

    def run(self) -> None:
        """Let everything happen, until nothing is left to happen."""
        heap = self._heap
        while heap:
            at_ns, _, call, args = heappop(heap)
            if call is not None:
                self.now_ns = at_ns
                call(*args)
