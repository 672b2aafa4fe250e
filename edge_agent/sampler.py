"""Samples the device's power and load on a thread of its own.

Power samples are noted, not reported: no decision waits for one, and waking the agent's loop for
each would interrupt a running inference. The load sample, once a second, delivers them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from mc_sched.core import events as ev
from mc_sched.sensors.chooser import Chooser
from mc_sched.sensors.meter import rails_of

LOAD_INTERVAL_NS = 1_000_000_000
Feed = Callable[[ev.EdgeEvent], None]


class Sampler:
    """Samples power every `interval_ns`, and the load of other processes every second.

    `note` takes an event that may wait, `report` one that is delivered at once together with those
    that wait. Either chooser may be None.
    """

    def __init__(
        self,
        power: Chooser | None,
        load: Chooser | None,
        interval_ns: int,
        note: Feed,
        report: Feed,
    ) -> None:
        self._power, self._load = power, load
        self._interval_s = interval_ns / 1e9
        self._note, self._report = note, report
        self._load_due_ns = 0
        self.rails_w: Mapping[str, float] = {}
        """Watts per rail in the last sample; empty without a sensor."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sensors", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def close(self) -> None:
        """Stop sampling and close the sensors."""
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
        """Read each sensor that is due once."""
        power = self._power.read() if self._power is not None else None
        self.rails_w = rails_of(power)
        now_ns = time.monotonic_ns()
        load_is_due = now_ns >= self._load_due_ns
        if power is not None:
            feed = self._report if load_is_due else self._note
            feed(ev.PowerSampled(now_ns, power.value, power.source))
        if load_is_due:
            self._load_due_ns = now_ns + LOAD_INTERVAL_NS
            self._sample_load()

    def _sample_load(self) -> None:
        load = self._load.read() if self._load is not None else None
        if load is not None:
            self._report(ev.DeviceSampled(time.monotonic_ns(), load.value))
