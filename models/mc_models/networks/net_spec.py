"""The specification of a bundle's networks: plain values, read without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class NetSpec:
    """The values from which both networks of a bundle are built; stored in bundle.json."""

    local: str = "caffenet"
    local_width: float = 1.0
    local_fc: int = 128
    """Hidden size of CaffeNet's fully connected layers; other local nets ignore it."""
    cloud: str = "googlenet"
    cloud_width: float = 0.75
    exits: int = 5
    head_hidden: int = 64
    input_px: int = 224

    def as_dict(self) -> dict[str, object]:
        """Plain values for bundle.json."""
        return asdict(self)
