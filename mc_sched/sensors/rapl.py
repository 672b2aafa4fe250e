"""Power of an Intel or AMD processor from its RAPL energy counters.

Linux shows them under /sys/class/powercap. A zone has a `name`, a counter `energy_uj` in
microjoules, and `max_energy_range_uj`, where the counter restarts from 0. A reading is the mean
power since the previous one. A package includes its cores and uncore, but not the memory.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mc_sched.sensors.files import number_in, text_in
from mc_sched.sensors.sensor import BadReading, Reading, Sensor, SensorAbsent, SensorLost

SHORTEST_NS = 5_000_000
"""The counters change about every millisecond, so a shorter time gives a coarse power."""
ROOT_ONLY = (
    "energy_uj is readable by root only: run `sudo chmod o+r "
    "/sys/class/powercap/intel-rapl:*/energy_uj` after each start of the machine"
)
"""Linux restricts them since 5.10, as they leak what the processor computes (CVE-2020-8694)."""


@dataclass(frozen=True)
class Zone:
    """A part of the processor with its own counter."""

    name: str
    energy_uj: Path
    range_uj: int | None
    """Value after which the counter restarts; None if unknown."""


def find_zones(root: Path) -> list[Zone]:
    """Return the packages and their memory below `root`, which differs from / in tests."""
    zones = []
    for folder in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        try:
            name = text_in(folder / "name")
        except OSError:
            continue
        if name.startswith("package") or name == "dram":
            zones.append(Zone(name, folder / "energy_uj", _range_uj(folder)))
    return zones


def _range_uj(folder: Path) -> int | None:
    try:
        return number_in(folder / "max_energy_range_uj")
    except (OSError, ValueError):
        return None


def used_uj(before: int, now: int, range_uj: int | None) -> int:
    """Return the increase of a counter that has restarted at most once.

    Raises BadReading if it fell without a restart.
    """
    if now >= before:
        return now - before
    if range_uj is None or before > range_uj:
        raise BadReading(f"the counter fell from {before} to {now} uJ")
    return now - before + range_uj


class Rapl(Sensor):
    """All packages of this machine. Raises SensorAbsent if they cannot be read."""

    name = "rapl"

    def __init__(
        self, root: Path = Path("/"), clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._clock_ns = clock_ns
        self._zones = find_zones(root)
        if not self._zones:
            raise SensorAbsent(
                "no RAPL under /sys/class/powercap; ARM processors and most VMs have none"
            )
        try:
            self._counts = self._count()
        except PermissionError:
            raise SensorAbsent(ROOT_ONLY) from None
        except (OSError, ValueError) as error:
            raise SensorAbsent(f"its counter cannot be read: {error}") from None
        self._at_ns = clock_ns()
        self._last = Reading()

    def _count(self) -> list[int]:
        return [number_in(zone.energy_uj) for zone in self._zones]

    def read(self) -> Reading:
        """Return the mean watts since the previous reading, in all and per zone."""
        now_ns = self._clock_ns()
        if now_ns - self._at_ns < SHORTEST_NS:
            return self._last
        try:
            counts = self._count()
        except (OSError, ValueError) as error:
            raise SensorLost(f"its counter cannot be read: {error}") from None
        before, since_ns = self._counts, now_ns - self._at_ns
        self._counts, self._at_ns = counts, now_ns
        used: Counter[str] = Counter()
        for zone, before_uj, now_uj in zip(self._zones, before, counts, strict=True):
            used[zone.name] += used_uj(before_uj, now_uj, zone.range_uj)
        rails_w = {name: uj * 1e3 / since_ns for name, uj in used.items()}
        self._last = Reading(power_w=sum(rails_w.values()), rails_w=rails_w)
        return self._last

    def close(self) -> None:
        """Do nothing, as no file is kept open."""
