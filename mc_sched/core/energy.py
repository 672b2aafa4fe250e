"""The declared energy model: what a task costs the edge, in joules above idle.

Radio: P = a * Mbps + b in mW while transferring; Huang et al., "A Close Examination of
Performance and Power Characteristics of 4G LTE Networks", MobiSys 2012. These are phone radios
of that year. The LTE tail (11.6 s at 1060 mW) is not charged to single tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RadioModel:
    """One radio's power while it transfers: `up_mw_per_mbps` * rate + `base_mw`, and likewise."""

    name: str
    up_mw_per_mbps: float
    down_mw_per_mbps: float
    base_mw: float

    def up_j(self, size_bytes: int, duration_ns: int) -> float:
        """Joules for sending `size_bytes` within `duration_ns`."""
        return self._joules(self.up_mw_per_mbps, size_bytes, duration_ns)

    def down_j(self, size_bytes: int, duration_ns: int) -> float:
        """Joules for receiving `size_bytes` within `duration_ns`."""
        return self._joules(self.down_mw_per_mbps, size_bytes, duration_ns)

    def _joules(self, slope: float, size_bytes: int, duration_ns: int) -> float:
        # mW/Mbps * Mbit is millijoule, whatever the rate; the base counts while the transfer lasts
        return (slope * size_bytes * 8e-6 + self.base_mw * duration_ns * 1e-9) * 1e-3


RADIOS = {
    "wifi": RadioModel("wifi", 283.17, 137.01, 132.86),
    "4g": RadioModel("4g", 438.39, 51.97, 1288.04),
    "3g": RadioModel("3g", 868.98, 122.12, 817.88),
}


@dataclass(frozen=True)
class EnergyModel:
    """Declared power of the edge device above idle, and its radio.

    `compute_w` is an estimate for a Jetson TX1's module under inference load (about 10 W in all)
    less its idle draw; a device's own figure belongs in the configuration.
    """

    compute_w: float = 7.0
    idle_w: float = 3.0
    radio: RadioModel = field(default_factory=lambda: RADIOS["wifi"])
    source: str = "model"

    def compute_j(self, duration_ns: int) -> float:
        """Joules for computing during `duration_ns`."""
        return self.compute_w * duration_ns * 1e-9
