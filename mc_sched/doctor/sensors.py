"""Checks of the machine's power and load sensors."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mc_sched.doctor.check import Check, ok, warning

if TYPE_CHECKING:
    from mc_sched.sensors.chooser import Candidate, Quantity
    from mc_sched.sensors.sensor import Reading

BETWEEN_READINGS_S = 0.3
"""Counters measure the time since the previous reading."""


@dataclass(frozen=True)
class Attempt:
    """A sensor's reading, or the reason why it cannot be used."""

    name: str
    reading: Reading | None = None
    reason: str = ""

    def measures(self, quantity: Quantity) -> bool:
        """Return True if the reading has a plausible value of this quantity."""
        from mc_sched.sensors.sensor import BadReading

        try:
            return self.reading is not None and quantity.checked(self.reading) is not None
        except BadReading:
            return False


def check_power() -> Check:
    """Name the sensor that an agent would use for the power, and show all of them."""
    from mc_sched.sensors.chooser import POWER
    from mc_sched.sensors.inventory import POWER_NAMES, power_candidates

    tried = [_try(c) for name in POWER_NAMES for c in power_candidates(False, name)]
    usable = {t.name for t in tried if t.measures(POWER)}
    used = {
        work: next((c.name for c in power_candidates(on_gpu) if c.name in usable), "model")
        for work, on_gpu in (("cpu", False), ("gpu", True))
    }
    facts = {"used": used, "sensors": [_facts(t) for t in tried]}
    detail = f"for a net on the CPU: {used['cpu']}; on the GPU: {used['gpu']}"
    rows = tuple((t.name, _text(t)) for t in tried)
    if usable:
        return ok("power", detail, facts, rows)
    remedy = "declare this device's watts under energy: in the edge agent's configuration"
    return warning("power", "no sensor; the declared energy model is used", remedy, facts, rows)


def check_load() -> Check:
    """Name the sensor that an agent would use for the load, and show all of them."""
    from mc_sched.sensors.chooser import LOAD
    from mc_sched.sensors.inventory import POWER_NAMES, all_candidates, load_candidates

    tried = [_try(c) for c in all_candidates() if c.name not in POWER_NAMES]
    usable = {t.name for t in tried if t.measures(LOAD)}
    used = next((c.name for c in load_candidates() if c.name in usable), None)
    facts = {"used": used, "sensors": [_facts(t) for t in tried]}
    rows = tuple((t.name, _text(t)) for t in tried)
    if used is None:
        remedy = "install psutil: pip install psutil"
        return warning("load", "no sensor measures the load by others", remedy, facts, rows)
    return ok("load", f"measured by {used}", facts, rows)


def _try(candidate: Candidate) -> Attempt:
    """Open a sensor and read it twice."""
    from mc_sched.errors import McSchedError, sentence

    try:
        sensor = candidate.open()
    except McSchedError as error:
        return Attempt(candidate.name, reason=str(error))
    except Exception as error:  # a driver's library may raise anything
        return Attempt(candidate.name, reason=sentence(error))
    try:
        sensor.read()
        time.sleep(BETWEEN_READINGS_S)
        return Attempt(candidate.name, sensor.read())
    except Exception as error:
        return Attempt(candidate.name, reason=sentence(error))
    finally:
        sensor.close()


def _facts(attempt: Attempt) -> dict[str, Any]:
    reading = None if attempt.reading is None else asdict(attempt.reading)
    return {"name": attempt.name, "reading": reading, "reason": attempt.reason}


def _text(attempt: Attempt) -> str:
    reading = attempt.reading
    if reading is None:
        return f"not usable: {attempt.reason}"
    figures = [] if reading.power_w is None else [f"{reading.power_w:.2f} W"]
    figures += [f"{rail} {watts:.2f} W" for rail, watts in reading.rails_w.items()]
    shares = (("CPU busy", reading.cpu_busy), ("by others", reading.busy_by_others),
              ("GPU busy", reading.gpu_busy))  # fmt: skip
    figures += [f"{name} {share:.0%}" for name, share in shares if share is not None]
    return ", ".join(figures) or "no values yet"
