"""Reads the machine's sensors on a thread of its own and tells the edge machine.

Samples of power are noted, not reported: nobody acts upon one, and waking the agent's loop for
each would cost a running inference its turn. The load, told once a second, takes them along.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from mc_sched.core import events as ev
from mc_sched.sensors.chooser import Chooser
from mc_sched.sensors.meter import rails_of

LOAD_EVERY_NS = 1_000_000_000
Tell = Callable[[ev.EdgeEvent], None]


class Sampler:
    """Samples power every `interval_ns`, and the load by others every second.

    `note` takes an event that may wait, `report` one that is delivered at once with all that
    waits. Either chooser may be None.
    """

    def __init__(
        self,
        power: Chooser | None,
        load: Chooser | None,
        interval_ns: int,
        note: Tell,
        report: Tell,
    ) -> None:
        self._power, self._load = power, load
        self._interval_s = interval_ns / 1e9
        self._note, self._report = note, report
        self._load_due_ns = 0
        self.rails_w: Mapping[str, float] = {}
        """Watts by rail at the last look; empty without a sensor."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sensors", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and let go of the sensors."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        for chooser in (self._power, self._load):
            if chooser is not None:
                chooser.close()

    def _work(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.sample()

    def sample(self) -> None:
        """Look once at each sensor that is due."""
        power = self._power.read() if self._power is not None else None
        self.rails_w = rails_of(power)
        now_ns = time.monotonic_ns()
        load_is_due = now_ns >= self._load_due_ns
        if power is not None:
            tell = self._report if load_is_due else self._note
            tell(ev.PowerSampled(now_ns, power.value, power.source))
        if load_is_due:
            self._load_due_ns = now_ns + LOAD_EVERY_NS
            self._sample_load()

    def _sample_load(self) -> None:
        load = self._load.read() if self._load is not None else None
        if load is not None:
            self._report(ev.DeviceSampled(time.monotonic_ns(), load.value))
