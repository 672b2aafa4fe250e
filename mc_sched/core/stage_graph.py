"""The cloud net as a graph of stages on two sites, for policies that partition it.

After JointDNN (Eshratifar et al. 2019, arXiv 1801.08618): each stage may run on the device or in
the cloud, and between two stages the activation may be uploaded. All costs are static: profiled
times, no queues, and the link's long-run mean.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Time of one edge of the graph, and its energy on the device above idle."""

    time_ns: int
    energy_j: float


@dataclass(frozen=True)
class Upload:
    """Upload after `stage` stages: encoding, sending and decoding the payload of `codec`."""

    codec: str
    stage: int
    cost: Cost


@dataclass(frozen=True)
class StageGraph:
    """Costs of the graph's edges. The last stage's cost includes the network's own head."""

    device: tuple[Cost, ...]
    cloud: tuple[Cost, ...]
    uploads: tuple[Upload, ...]
    """Empty if no cloud agent is reachable."""
    reply: Cost
    """Download of the result."""
    exit: str
    """Name of the last exit, the network's own head."""
