"""The interface of a sensor, and its errors.

McSchedError
+-- SensorAbsent    this machine has no such sensor, or no permission to read it
+-- SensorLost      the sensor can no longer be read
+-- BadReading      one reading cannot be used
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mc_sched.errors import McSchedError


class SensorAbsent(McSchedError):
    """This machine has no such sensor, or no permission to read it; names the remedy."""


class SensorLost(McSchedError):
    """The sensor can no longer be read."""


class BadReading(McSchedError):
    """One reading cannot be used; the next one may be good."""


@dataclass(frozen=True)
class Reading:
    """Values of a sensor; None for those it does not have, or not yet. Shares are in [0, 1]."""

    power_w: float | None = None
    """Power of all that the sensor covers, in watts."""
    rails_w: Mapping[str, float] = field(default_factory=dict)
    """Power per rail, zone or GPU, in watts."""
    cpu_busy: float | None = None
    """Share of all cores' time that was busy."""
    busy_by_others: float | None = None
    """Share of all cores' time that other processes used."""
    gpu_busy: float | None = None
    """Share of time that the GPU was busy."""


class Sensor(Protocol):
    """A source of readings. Reading is quick, and done by one thread at a time."""

    name: str
    """Source of its values in logs and reports, such as "jetson-ina3221"."""

    def read(self) -> Reading:
        """Return a reading. Raises SensorLost or BadReading."""

    def close(self) -> None:
        """Release its resources."""
