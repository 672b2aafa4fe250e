"""The rows of a bundle's tables: layers, stages, exits, codecs, splits, thresholds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerRow:
    """One layer of the local net and its operations (MACs)."""

    name: str
    ops: int


@dataclass(frozen=True)
class LocalTable:
    """The local net: its accuracy on held-out images, in [0, 1], and its layers in order."""

    name: str
    top1: float
    top5: float
    temperature: float
    layers: tuple[LayerRow, ...]
    ece_before: float | None = None
    ece_after: float | None = None
    """Expected calibration error without and with the temperature; None in older bundles."""


@dataclass(frozen=True)
class StageRow:
    """One stage of the cloud net and its operations (MACs)."""

    name: str
    ops: int


@dataclass(frozen=True)
class ExitRow:
    """The exit behind stage `stage` (from 0): its head's operations, accuracy by codec."""

    name: str
    stage: int
    head_ops: int
    top1: dict[str, float]
    top5: dict[str, float]
    temperature: float
    ece_before: float | None = None
    ece_after: float | None = None


@dataclass(frozen=True)
class CodecRow:
    """A codec that sends features: where it cuts the cloud net, and the form of its messages.

    The edge runs the stages before `stage` and the projection, `edge_ops` MACs; the cloud continues
    at `stage`. Patches of `step` x `step` cells of an activation of `channels_in` channels become
    one cell of `channels` bytes. `noise` is the standard deviation of the noise; the values have
    one of about 1.
    """

    name: str
    stage: int
    channels_in: int
    channels: int
    side: int
    step: int
    noise: float
    edge_ops: int

    @property
    def message_bytes(self) -> int:
        """Size of every message."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class SplitRow:
    """The boundary behind the first `stage` stages: an activation [channels, side, side]."""

    name: str
    stage: int
    channels: int
    side: int

    @property
    def message_bytes(self) -> int:
        """Size of every message: a byte per value, and the range of the values as two float32."""
        return self.channels * self.side**2 + 8


@dataclass(frozen=True)
class ThresholdRow:
    """DDNN's results under one threshold on the local net's entropy, on held-out images."""

    entropy: float
    """The threshold on the normalised entropy, in [0, 1]."""
    kept: float
    """Share of the images that the local net answers."""
    top5: dict[str, float]
    """Accuracy over all images if the cloud's last exit answers the others, by codec."""
    unsure_top5: float
    """Accuracy of the local net on those others."""
