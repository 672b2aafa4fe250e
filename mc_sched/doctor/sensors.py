"""Which sensors of power and load this machine has, and what they say."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mc_sched.doctor.check import Check, ok, warning

if TYPE_CHECKING:
    from mc_sched.sensors.chooser import Candidate, Quantity
    from mc_sched.sensors.sensor import Reading

BETWEEN_READINGS_S = 0.3
"""Counters tell what happened since the reading before."""


@dataclass(frozen=True)
class Tried:
    """A sensor that was opened and read: what it says, or why it cannot be used."""

    name: str
    reading: Reading | None = None
    reason: str = ""

    def tells(self, quantity: Quantity) -> bool:
        """Whether it says this figure, and one that can be true."""
        from mc_sched.sensors.sensor import BadReading

        try:
            return self.reading is not None and quantity.checked(self.reading) is not None
        except BadReading:
            return False


def check_power() -> Check:
    """Which sensor would tell the power, and what the others say."""
    from mc_sched.sensors.chooser import POWER
    from mc_sched.sensors.inventory import POWER_NAMES, power_candidates

    tried = [_try(c) for name in POWER_NAMES for c in power_candidates(False, name)]
    telling = {t.name for t in tried if t.tells(POWER)}
    used = {
        work: next((c.name for c in power_candidates(on_gpu) if c.name in telling), "model")
        for work, on_gpu in (("cpu", False), ("gpu", True))
    }
    facts = {"used": used, "sensors": [_facts(t) for t in tried]}
    detail = f"for a net on the CPU: {used['cpu']}; on the GPU: {used['gpu']}"
    rows = tuple((t.name, _text(t)) for t in tried)
    if telling:
        return ok("power", detail, facts, rows)
    remedy = "set this device's watts under energy: in the edge agent's configuration"
    return warning("power", "no sensor; the declared model counts", remedy, facts, rows)


def check_load() -> Check:
    """Which sensor would tell the load by others, and how busy CPU and GPU are."""
    from mc_sched.sensors.chooser import LOAD
    from mc_sched.sensors.inventory import POWER_NAMES, all_candidates, load_candidates

    tried = [_try(c) for c in all_candidates() if c.name not in POWER_NAMES]
    telling = {t.name for t in tried if t.tells(LOAD)}
    used = next((c.name for c in load_candidates() if c.name in telling), None)
    facts = {"used": used, "sensors": [_facts(t) for t in tried]}
    rows = tuple((t.name, _text(t)) for t in tried)
    if used is None:
        remedy = "install psutil: pip install psutil"
        return warning("load", "no sensor tells others' load", remedy, facts, rows)
    return ok("load", f"by {used}", facts, rows)


def _try(candidate: Candidate) -> Tried:
    """Open it and read it twice."""
    from mc_sched.errors import McSchedError, sentence

    try:
        sensor = candidate.open()
    except McSchedError as error:
        return Tried(candidate.name, reason=str(error))
    except Exception as error:  # whatever a driver's library throws
        return Tried(candidate.name, reason=sentence(error))
    try:
        sensor.read()
        time.sleep(BETWEEN_READINGS_S)
        return Tried(candidate.name, sensor.read())
    except Exception as error:
        return Tried(candidate.name, reason=sentence(error))
    finally:
        sensor.close()


def _facts(tried: Tried) -> dict[str, Any]:
    reading = None if tried.reading is None else asdict(tried.reading)
    return {"name": tried.name, "reading": reading, "reason": tried.reason}


def _text(tried: Tried) -> str:
    reading = tried.reading
    if reading is None:
        return f"not usable: {tried.reason}"
    figures = [] if reading.power_w is None else [f"{reading.power_w:.2f} W"]
    figures += [f"{rail} {watts:.2f} W" for rail, watts in reading.rails_w.items()]
    shares = (("CPU busy", reading.cpu_busy), ("by others", reading.busy_by_others),
              ("GPU busy", reading.gpu_busy))  # fmt: skip
    figures += [f"{name} {share:.0%}" for name, share in shares if share is not None]
    return ", ".join(figures) or "says nothing yet"
