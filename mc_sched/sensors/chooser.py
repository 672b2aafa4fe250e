"""Which sensor speaks: the best that can be read, and the next best when it dies.

A chooser goes through its candidates in order, best first. It looks again for those above the
present one now and then, as a sensor may appear late; the pause doubles each time. What a sensor
says is checked against what can be true, and a figure that never moves is taken for a dead
sensor's. Words about all this go to `say`, each once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mc_sched.errors import McSchedError, sentence
from mc_sched.sensors.sensor import BadReading, Reading, Sensor, SensorLost

FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 5_000_000_000, 300_000_000_000
"""Between two looks for the same sensor."""
PATIENCE = 20
"""Readings in a row without the wanted figure after which a sensor counts as dead."""
TRUSTED = 100
"""Good readings in a row after which a sensor that had died is as good as a new one."""

STUCK_NS = 60_000_000_000
"""A figure that varies by nature and has been the same to the last digit for so long is stuck."""


@dataclass(frozen=True)
class Candidate:
    """A sensor that this machine may have; `open` raises SensorAbsent if it has not."""

    name: str
    open: Callable[[], Sensor]


@dataclass(frozen=True)
class Quantity:
    """A figure of a reading, and between which values it can be true."""

    name: str
    of: Callable[[Reading], float | None]
    least: float
    most: float
    unit: str = ""
    varies: bool = False
    """Whether a working sensor never says the same for long."""

    def checked(self, reading: Reading) -> float | None:
        """The figure, or None if the reading has none. BadReading if it cannot be true."""
        value = self.of(reading)
        if value is not None and not self.least <= value <= self.most:
            raise BadReading(f"{self.name} {value:g}{self.unit} cannot be")
        return value


POWER = Quantity("power", lambda reading: reading.power_w, 0.01, 20_000.0, " W", varies=True)
"""No device that runs draws less than 10 mW, and no server, eight GPUs and all, above 20 kW. A
constant one would make all work look free, as nothing is ever above idle."""
LOAD = Quantity("load", lambda reading: reading.busy_by_others, 0.0, 1.0)


@dataclass(frozen=True)
class Sample:
    """A figure that can be true, and who said it."""

    value: float
    source: str
    reading: Reading


class Chooser:
    """Reads one quantity from the best sensor there is. Never raises."""

    def __init__(
        self,
        quantity: Quantity,
        candidates: Sequence[Candidate],
        say: Callable[[str], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._quantity = quantity
        self._places = [_Place(candidate) for candidate in candidates]
        self._say = say
        self._clock_ns = clock_ns
        self._present: _Place | None = None
        self._told_of_none = False
        self._complaints: set[str] = set()

    def read(self) -> Sample | None:
        """A sample; None while there is no sensor, or for a reading that is of no use."""
        self._look()
        while (place := self._present) is not None:
            try:
                return self._sample(place)
            except Exception as error:  # whatever a driver's library throws
                self._lose(place, error)
                self._look()
        return None

    def close(self) -> None:
        """Let go of the sensor in use."""
        if self._present is not None:
            self._present.close()
            self._present = None

    def _sample(self, place: _Place) -> Sample | None:
        assert place.sensor is not None
        try:
            reading = place.sensor.read()
            value = self._quantity.checked(reading)
        except BadReading as error:
            self._complain(place, str(error))
            value = None
        if value is not None:
            place.good()
            if self._quantity.varies and place.is_stuck(value, self._clock_ns()):
                raise SensorLost(
                    f"{self._quantity.name} is stuck at {value:g}{self._quantity.unit}"
                )
            return Sample(value, place.candidate.name, reading)
        if place.is_out_of_patience():
            raise BadReading(f"no {self._quantity.name} in {PATIENCE} readings")
        return None

    def _complain(self, place: _Place, what: str) -> None:
        """Once for each sensor: a bad one could fill a disk."""
        if place.candidate.name not in self._complaints:
            self._complaints.add(place.candidate.name)
            self._say(f"{place.candidate.name}: {what}; readings like this are left out")

    def _lose(self, place: _Place, error: Exception) -> None:
        what = str(error) if isinstance(error, McSchedError) else sentence(error)
        self._say(f"sensor {place.candidate.name} is lost: {what}")
        place.close()
        place.pause(self._clock_ns())
        self._present = None

    def _look(self) -> None:
        """Take the best sensor that opens, of those above the present one whose time has come."""
        now_ns = self._clock_ns()
        for place in self._places:
            if place is self._present:
                return
            if now_ns >= place.due_ns and place.opens(now_ns):
                self._take(place)
                return
        if self._present is None and not self._told_of_none:
            self._told_of_none = True
            self._say(f"no sensor tells the {self._quantity.name}")

    def _take(self, place: _Place) -> None:
        if self._present is not None:
            self._present.close()
            self._present.due_ns = 0
        self._present, self._told_of_none = place, False
        self._say(f"{self._quantity.name} comes from {place.candidate.name}")


class _Place:
    """A candidate's place in the order, with the sensor while it is in use."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.sensor: Sensor | None = None
        self.due_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._good = self._empty = 0
        self._value: float | None = None
        self._moved_ns = 0
        """When the figure was last another one; kept while closed, so that one that is still stuck
        when it is tried again is found out at once."""

    def opens(self, now_ns: int) -> bool:
        """Whether it opens now; if not, the next look is after a pause."""
        try:
            self.sensor = self.candidate.open()
        except Exception:  # absent, or its library is broken: then it is absent as well
            self.pause(now_ns)
            return False
        self._good = self._empty = 0
        return True

    def good(self) -> None:
        """It has said something of use."""
        self._empty = 0
        self._good += 1
        if self._good >= TRUSTED:
            self._pause_ns = FIRST_PAUSE_NS

    def is_stuck(self, value: float, now_ns: int) -> bool:
        """Take note of a figure; whether it has not moved for too long."""
        if value != self._value:
            self._value, self._moved_ns = value, now_ns
        return now_ns - self._moved_ns >= STUCK_NS

    def is_out_of_patience(self) -> bool:
        """Count a reading without use; whether there were too many."""
        self._good = 0
        self._empty += 1
        return self._empty >= PATIENCE

    def pause(self, now_ns: int) -> None:
        """Look for it later, and each time later still."""
        self.due_ns = now_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)

    def close(self) -> None:
        """Let go of the sensor, whatever it says to that."""
        sensor, self.sensor = self.sensor, None
        if sensor is not None:
            try:
                sensor.close()
            except Exception:  # it is dead already
                return
