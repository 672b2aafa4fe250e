"""The cloud net as a graph of stages between two sites, for a policy that cuts it in two.

As JointDNN has it (Eshratifar et al. 2019, arXiv 1801.08618): each layer could run on the device
or on the cloud, and between two layers the activation may go up. Everything here is static: the
profiles' times, no queue, and the link's long-run mean.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a step takes, and what it costs the device above idle."""

    time_ns: int
    energy_j: float


@dataclass(frozen=True)
class Upload:
    """The way up behind `stage` stages: packing, sending and unpacking what `codec` sends."""

    codec: str
    stage: int
    cost: Cost


@dataclass(frozen=True)
class StageGraph:
    """Costs of the graph's edges. The last stage's hold the network's own head."""

    device: tuple[Cost, ...]
    cloud: tuple[Cost, ...]
    uploads: tuple[Upload, ...]
    """None while no cloud agent can be used."""
    reply: Cost
    """The result's way down."""
    exit: str
    """The network's own head."""
