"""Which of a Jetson board's rails make up its total power."""

from __future__ import annotations

from collections.abc import Mapping

TOTALS = ("VDD_IN", "POM_5V_IN")
"""A module's input: TX1, TX2, Xavier NX, Orin NX and Orin Nano; and Nano."""
AGX_ORIN = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
"""AGX Orin measures no input; these three add up to it."""


def total_w(rails_w: Mapping[str, float]) -> float:
    """Total watts of a board with these rails; LookupError names them for an unknown board."""
    for rail in TOTALS:
        if rail in rails_w:
            return rails_w[rail]
    if all(rail in rails_w for rail in AGX_ORIN):
        return sum(rails_w[rail] for rail in AGX_ORIN)
    raise LookupError(f"no total in the rails {', '.join(rails_w) or 'of this board: it has none'}")
