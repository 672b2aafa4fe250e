"""Virtual time: what is to happen, by its moment, done in order without waiting."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Appointment:
    """A call that is to happen; a cancelled one has no call."""

    __slots__ = ("args", "call")

    def __init__(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.call: Callable[..., None] | None = call
        self.args = args


class Clock:
    """The one time of a simulated world, in ns. What falls on one moment happens in the order in
    which it was asked for, so that a run repeats itself exactly."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._moments: list[int] = []
        """A heap of the moments at which something is due."""
        self._due: dict[int, list[Appointment]] = {}

    def at(self, at_ns: int, call: Callable[..., None], *args: Any) -> Appointment:
        """Have `call(*args)` happen at `at_ns`, or at once if that has passed."""
        at_ns = max(at_ns, self.now_ns)
        appointment = Appointment(call, args)
        due = self._due.get(at_ns)
        if due is None:
            self._due[at_ns] = [appointment]
            heappush(self._moments, at_ns)
        else:
            due.append(appointment)
        return appointment

    def cancel(self, appointment: Appointment) -> None:
        """It is not to happen; harmless if it has."""
        appointment.call = None

    def run(self) -> None:
        """Let everything happen, until nothing is left to happen."""
        while self._moments:
            at_ns = heappop(self._moments)
            for appointment in self._due.pop(at_ns):
                if appointment.call is not None:
                    self.now_ns = at_ns
                    appointment.call(*appointment.args)
