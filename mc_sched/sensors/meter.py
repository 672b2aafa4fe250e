"""The power of a machine whose tasks pay for none of it: shown, and not booked."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from mc_sched.sensors.chooser import Chooser, Sample

LOOK_EVERY_S = 1.0


def rails_of(power: Sample | None) -> Mapping[str, float]:
    """Watts by rail; a sensor without rails is one itself. Empty without a sample."""
    return {} if power is None else power.reading.rails_w or {power.source: power.value}


class PowerMeter:
    """Looks at the power once a second, on a thread of its own.

    `power` may be None: then there is nothing to show.
    """

    def __init__(self, power: Chooser | None) -> None:
        self._power = power
        self.rails_w: Mapping[str, float] = {}
        """Watts by rail at the last look; empty without a sensor."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="power", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        if self._power is not None:
            self._thread.start()

    def close(self) -> None:
        """Stop, and let go of the sensor."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self._power is not None:
            self._power.close()

    def _work(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Read the sensor once."""
        if self._power is not None:
            self.rails_w = rails_of(self._power.read())
