"""Load of the processor by this process and by all others, through psutil."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from mc_sched.sensors.sensor import Reading, Sensor, SensorLost

SHORTEST_S = 0.05
"""Linux counts in steps of 10 ms, so a shorter time gives a coarse load."""


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since the machine started, summed over its cores."""

    total_s: float
    idle_s: float
    own_s: float
    """Time of this process, all threads together."""


def cpu_times() -> CpuTimes:
    """Return the kernel's counters."""
    host, own = psutil.cpu_times(), psutil.Process().cpu_times()
    total_s = float(sum(host)) - _part(host, "guest") - _part(host, "guest_nice")
    idle_s = _part(host, "idle") + _part(host, "iowait")
    return CpuTimes(total_s, idle_s, own.user + own.system)


def _part(host: object, name: str) -> float:
    """Return a field of psutil's times, 0 on systems without it; user time includes the guests'."""
    return float(getattr(host, name, 0.0))


def load_between(before: CpuTimes, now: CpuTimes) -> Reading | None:
    """Return the load between two counts; None if they are too close or in reverse order."""
    total_s = now.total_s - before.total_s
    if total_s < SHORTEST_S:
        return None
    busy = _share(total_s - (now.idle_s - before.idle_s), total_s)
    own = _share(now.own_s - before.own_s, total_s)
    return Reading(cpu_busy=busy, busy_by_others=max(0.0, busy - own))


def _share(part_s: float, whole_s: float) -> float:
    return min(1.0, max(0.0, part_s / whole_s))


class CpuLoad(Sensor):
    """Load since the previous reading; the first reading is empty."""

    name = "cpu"

    def __init__(self) -> None:
        self._before = cpu_times()
        self._last = Reading()

    def read(self) -> Reading:
        """Return the share of all cores' time that was busy, in all and by other processes."""
        try:
            now = cpu_times()
        except (psutil.Error, OSError) as error:
            raise SensorLost(f"psutil: {error}") from None
        load = load_between(self._before, now)
        if load is not None or now.total_s < self._before.total_s:
            self._before = now
        self._last = load or self._last
        return self._last

    def close(self) -> None:
        """Do nothing, as no resource is open."""
