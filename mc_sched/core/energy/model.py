"""The declared energy model of the edge: joules of a task above idle."""

from __future__ import annotations

from dataclasses import dataclass, field

from mc_sched.core.energy.radio import RADIOS, RadioModel


@dataclass(frozen=True)
class EnergyModel:
    """Declared power of the edge device above idle, and its radio.

    `compute_w` is an estimate for a Jetson TX1's module under inference load, about 10 W in total,
    minus its idle power. Configure the value of your device instead.
    """

    compute_w: float = 7.0
    idle_w: float = 3.0
    radio: RadioModel = field(default_factory=lambda: RADIOS["wifi"])
    source: str = "model"
    count_tail: bool = False
    """True if forecasts include the energy that a transfer adds to the radio's tail."""

    def compute_j(self, duration_ns: int) -> float:
        """Energy of computing for `duration_ns`, in joules."""
        return self.compute_w * duration_ns * 1e-9
