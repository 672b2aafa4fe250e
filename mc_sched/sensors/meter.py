"""The power of a machine, for display; it is not attributed to tasks."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from mc_sched.sensors.chooser import Chooser, Sample

SAMPLE_INTERVAL_S = 1.0


def rails_of(power: Sample | None) -> Mapping[str, float]:
    """Return the watts per rail; a sensor without rails counts as one. Empty without a sample."""
    return {} if power is None else power.reading.rails_w or {power.source: power.value}


class PowerMeter:
    """Samples the power once a second, on a thread of its own; `power` may be None."""

    def __init__(self, power: Chooser | None) -> None:
        self._power = power
        self.rails_w: Mapping[str, float] = {}
        """Watts per rail in the last sample; empty without a sensor."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="power", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        if self._power is not None:
            self._thread.start()

    def close(self) -> None:
        """Stop sampling and close the sensor."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self._power is not None:
            self._power.close()

    def _work(self) -> None:
        while not self._stop.wait(SAMPLE_INTERVAL_S):
            self.sample()

    def sample(self) -> None:
        """Read the sensor once."""
        if self._power is not None:
            self.rails_w = rails_of(self._power.read())
