"""Choice of a sensor: the best one that can be read, and the next best when it fails.

A chooser tries its candidates in order, best first. It tries those above the present one again now
and then, as a sensor may appear late; the pause doubles each time. A value outside its plausible
range is dropped, and a sensor whose value never changes counts as dead. Each change of the sensor
is reported once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mc_sched.errors import McSchedError, sentence
from mc_sched.sensors.sensor import BadReading, Reading, Sensor, SensorLost

FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 5_000_000_000, 300_000_000_000
"""First and longest pause between two attempts to open the same sensor."""
PATIENCE = 20
"""Consecutive readings without the wanted value after which a sensor counts as dead."""
TRUSTED = 100
"""Consecutive good readings after which a sensor that had failed starts with the first pause."""

STUCK_NS = 60_000_000_000
"""A varying value that has been the same to the last digit for so long is stuck."""


@dataclass(frozen=True)
class Candidate:
    """A sensor that this machine may have; `open` raises SensorAbsent if it does not."""

    name: str
    open: Callable[[], Sensor]


@dataclass(frozen=True)
class Quantity:
    """A value of a reading, and its plausible range."""

    name: str
    of: Callable[[Reading], float | None]
    least: float
    most: float
    unit: str = ""
    varies: bool = False
    """True if the value of a working sensor never stays the same for long."""

    def checked(self, reading: Reading) -> float | None:
        """Return the value, or None if the reading has none.

        Raises BadReading if it is outside the plausible range.
        """
        value = self.of(reading)
        if value is not None and not self.least <= value <= self.most:
            raise BadReading(f"{self.name} {value:g}{self.unit} is outside the plausible range")
        return value


POWER = Quantity("power", lambda reading: reading.power_w, 0.01, 20_000.0, " W", varies=True)
"""No running device draws less than 10 mW, and no server with eight GPUs more than 20 kW. With a
constant power all work would look free, as nothing would ever be above idle."""
LOAD = Quantity("load", lambda reading: reading.busy_by_others, 0.0, 1.0)


@dataclass(frozen=True)
class Sample:
    """A plausible value and the sensor that it comes from."""

    value: float
    source: str
    reading: Reading


class Chooser:
    """Reads one quantity from the best available sensor. Never raises."""

    def __init__(
        self,
        quantity: Quantity,
        candidates: Sequence[Candidate],
        report: Callable[[str], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._quantity = quantity
        self._slots = [_Slot(candidate) for candidate in candidates]
        self._report = report
        self._clock_ns = clock_ns
        self._present: _Slot | None = None
        self._reported_none = False
        self._complaints: set[str] = set()

    def read(self) -> Sample | None:
        """Return a sample; None without a sensor, or if a reading has no plausible value."""
        self._choose()
        while (slot := self._present) is not None:
            try:
                return self._sample(slot)
            except Exception as error:  # a driver's library may raise anything
                self._lose(slot, error)
                self._choose()
        return None

    def close(self) -> None:
        """Close the sensor in use."""
        if self._present is not None:
            self._present.close()
            self._present = None

    def _sample(self, slot: _Slot) -> Sample | None:
        assert slot.sensor is not None
        try:
            reading = slot.sensor.read()
            value = self._quantity.checked(reading)
        except BadReading as error:
            self._complain(slot, str(error))
            value = None
        if value is not None:
            slot.count_good()
            if self._quantity.varies and slot.is_stuck(value, self._clock_ns()):
                raise SensorLost(
                    f"{self._quantity.name} is stuck at {value:g}{self._quantity.unit}"
                )
            return Sample(value, slot.candidate.name, reading)
        if slot.count_empty():
            raise BadReading(f"no {self._quantity.name} in {PATIENCE} readings")
        return None

    def _complain(self, slot: _Slot, problem: str) -> None:
        """Report an implausible reading, once per sensor, so that a bad one cannot fill a disk."""
        if slot.candidate.name not in self._complaints:
            self._complaints.add(slot.candidate.name)
            self._report(f"{slot.candidate.name}: {problem}; such readings are dropped")

    def _lose(self, slot: _Slot, error: Exception) -> None:
        problem = str(error) if isinstance(error, McSchedError) else sentence(error)
        self._report(f"sensor {slot.candidate.name} is lost: {problem}")
        slot.close()
        slot.pause(self._clock_ns())
        self._present = None

    def _choose(self) -> None:
        """Take the best sensor that opens, among those above the present one that are due."""
        now_ns = self._clock_ns()
        for slot in self._slots:
            if slot is self._present:
                return
            if now_ns >= slot.due_ns and slot.try_open(now_ns):
                self._take(slot)
                return
        if self._present is None and not self._reported_none:
            self._reported_none = True
            self._report(f"no sensor measures the {self._quantity.name}")

    def _take(self, slot: _Slot) -> None:
        if self._present is not None:
            self._present.close()
            self._present.due_ns = 0
        self._present, self._reported_none = slot, False
        self._report(f"{self._quantity.name} comes from {slot.candidate.name}")


class _Slot:
    """A candidate, its sensor while that is open, and its history."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.sensor: Sensor | None = None
        self.due_ns = 0
        self._pause_ns = FIRST_PAUSE_NS
        self._good = self._empty = 0
        self._value: float | None = None
        self._moved_ns = 0
        """Time of the value's last change. It is kept while the sensor is closed, so that a sensor
        that is still stuck when it is opened again is detected at once."""

    def try_open(self, now_ns: int) -> bool:
        """Try to open the sensor; if that fails, return False and pause."""
        try:
            self.sensor = self.candidate.open()
        except Exception:  # absent, or unusable because its library is broken
            self.pause(now_ns)
            return False
        self._good = self._empty = 0
        return True

    def count_good(self) -> None:
        """Count a reading with a plausible value."""
        self._empty = 0
        self._good += 1
        if self._good >= TRUSTED:
            self._pause_ns = FIRST_PAUSE_NS

    def is_stuck(self, value: float, now_ns: int) -> bool:
        """Record a value; return True if it has not changed for too long."""
        if value != self._value:
            self._value, self._moved_ns = value, now_ns
        return now_ns - self._moved_ns >= STUCK_NS

    def count_empty(self) -> bool:
        """Count a reading without a plausible value; return True after too many."""
        self._good = 0
        self._empty += 1
        return self._empty >= PATIENCE

    def pause(self, now_ns: int) -> None:
        """Put off the next attempt to open it, longer each time."""
        self.due_ns = now_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)

    def close(self) -> None:
        """Close the sensor; errors are ignored."""
        sensor, self.sensor = self.sensor, None
        if sensor is not None:
            try:
                sensor.close()
            except Exception:  # it is unusable already
                return
