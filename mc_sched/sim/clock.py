"""Virtual time: scheduled calls are made in order, without waiting."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Appointment:
    """A scheduled call; None once cancelled."""

    __slots__ = ("args", "call")

    def __init__(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.call: Callable[..., None] | None = call
        self.args = args


class Clock:
    """The clock of a simulated world, in nanoseconds.

    Calls at the same moment are made in the order in which they were scheduled, so that a run can
    be repeated exactly.
    """

    def __init__(self) -> None:
        self.now_ns = 0
        self._moments: list[int] = []
        """A heap of the moments at which calls are due."""
        self._due: dict[int, list[Appointment]] = {}

    def at(self, at_ns: int, call: Callable[..., None], *args: Any) -> Appointment:
        """Schedule `call(*args)` at `at_ns`, or now if that has passed."""
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
        """Cancel a scheduled call; no effect if it has been made."""
        appointment.call = None

    def run(self) -> None:
        """Make all scheduled calls, and those that they schedule, until none is left."""
        while self._moments:
            at_ns = heappop(self._moments)
            for appointment in self._due.pop(at_ns):
                if appointment.call is not None:
                    self.now_ns = at_ns
                    appointment.call(*appointment.args)
