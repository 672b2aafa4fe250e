"""Total power of a Jetson board from its rails."""

from __future__ import annotations

from collections.abc import Mapping

TOTALS = ("VDD_IN", "POM_5V_IN")
"""Input rail of a module: TX1, TX2, Xavier NX, Orin NX and Orin Nano; then Nano."""
AGX_ORIN = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
"""AGX Orin has no input rail; these three add up to its input."""


def total_w(rails_w: Mapping[str, float]) -> float:
    """Return the total watts. Raises LookupError with the rails of an unsupported board."""
    for rail in TOTALS:
        if rail in rails_w:
            return rails_w[rail]
    if all(rail in rails_w for rail in AGX_ORIN):
        return sum(rails_w[rail] for rail in AGX_ORIN)
    names = ", ".join(rails_w) or "none"
    raise LookupError(f"no known total among the rails: {names}")
