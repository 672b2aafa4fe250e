"""The interface of a sensor, and its errors.

McSchedError
+-- SensorAbsent    this machine has no such sensor, or we may not read it: says what to do
+-- SensorLost      it was there and can be read no more
+-- BadReading      it lives, but what it said cannot be used
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mc_sched.errors import McSchedError


class SensorAbsent(McSchedError):
    """This machine has no such sensor, or we may not read it."""


class SensorLost(McSchedError):
    """The sensor can be read no more."""


class BadReading(McSchedError):
    """One reading is of no use; the next may be."""


@dataclass(frozen=True)
class Reading:
    """What a sensor says; None for what it does not know, or not yet. Shares are in [0, 1]."""

    power_w: float | None = None
    """Of all that this sensor covers, in watts."""
    rails_w: Mapping[str, float] = field(default_factory=dict)
    """The same by rail, zone or GPU."""
    cpu_busy: float | None = None
    """Share of all cores' time that was used."""
    busy_by_others: float | None = None
    """The same without this process."""
    gpu_busy: float | None = None
    """Share of time that the GPU worked."""


class Sensor(Protocol):
    """One way to look at this machine. Reading is quick; it may be from any one thread."""

    name: str
    """Names the source in every figure that comes from it, like "jetson-ina3221"."""

    def read(self) -> Reading:
        """What it says now. Raises SensorLost or BadReading."""

    def close(self) -> None:
        """Let go of what it holds."""
