"""Measured times of one network of a bundle on this host, piece by piece, as the agents run it.

A profile is valid for one bundle, network, precision, device, number of threads, host and version
of torch only. `profiler` measures profiles; `profile_store` keeps them between starts and resolves
precision `auto` by comparing them.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mc_models.bundle.load import Bundle

if TYPE_CHECKING:
    from mc_models.inference.devices import Device, Precision

Part = Literal["edge", "cloud"]
PARTS: tuple[Part, ...] = ("edge", "cloud")


@dataclass(frozen=True)
class Times:
    """Quantiles of a piece's running time in ns, and the number of runs they rest on."""

    p50_ns: int
    p95_ns: int
    p99_ns: int
    count: int

    @classmethod
    def of(cls, samples_ns: Sequence[int]) -> Times:
        """Nearest-rank quantiles of at least one sample."""
        ordered = sorted(samples_ns)

        def rank(percent: int) -> int:
            return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

        return cls(rank(50), rank(95), rank(99), len(ordered))


@dataclass(frozen=True)
class BatchTimes:
    """Times of the cloud net for batches of `size` images, over all images of the batch."""

    size: int
    stages: Mapping[str, Times]
    heads: Mapping[str, Times]
    """Heads by exit; each includes making the answers of the batch."""


@dataclass(frozen=True)
class Profile:
    """Times of the network `part`, and the conditions that they were measured under."""

    bundle_hash: str
    part: Part
    precision: Precision
    device: str
    threads: int
    host: str
    torch: str
    disturbed: float = 0.0
    """Share of the measuring time in which the CPU worked for other programs, in [0, 1]."""
    layers: Mapping[str, Times] = field(default_factory=dict)
    """Layers of the local net; the first includes making the input, the last the answer."""
    stages: Mapping[str, Times] = field(default_factory=dict)
    """Stages of the cloud net; also in the edge's profile if the bundle has splits."""
    heads: Mapping[str, Times] = field(default_factory=dict)
    """Heads by exit; each includes making the five labels of the answer."""
    images: Mapping[str, Times] = field(default_factory=dict)
    """`decode` of a JPEG of input size (in the cloud up to network input), and `encode`."""
    codecs: Mapping[str, Times] = field(default_factory=dict)
    """By codec other than jpeg: image to message on the edge, message to activation in the
    cloud."""
    splits: Mapping[str, Times] = field(default_factory=dict)
    """Packing each raw split's activation on the edge, unpacking it in the cloud."""
    batches: tuple[BatchTimes, ...] = ()
    """Stages and heads of the cloud net for batches of more than one image, in ascending size."""

    @property
    def identity(self) -> tuple[object, ...]:
        """The conditions of the measurement; a new profile with the same ones replaces this."""
        return (
            self.bundle_hash, self.part, self.precision, self.device, self.threads, self.host,
            self.torch,
        )  # fmt: skip

    @property
    def layer_ns(self) -> tuple[int, ...]:
        """Median time of each layer of the local net."""
        return tuple(times.p50_ns for times in self.layers.values())

    @property
    def stage_ns(self) -> tuple[int, ...]:
        """Median time of each stage of the cloud net."""
        return tuple(times.p50_ns for times in self.stages.values())

    @property
    def head_ns(self) -> dict[str, int]:
        """Median time of each exit's head."""
        return {name: times.p50_ns for name, times in self.heads.items()}

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The measured batch sizes of the cloud net, 1 first."""
        return (1, *[batch.size for batch in self.batches])

    @property
    def stage_batch_ns(self) -> tuple[tuple[int, ...], ...]:
        """Median time of each stage, for each of the `batch_sizes`."""
        return tuple(
            (times.p50_ns, *[batch.stages[name].p50_ns for batch in self.batches])
            for name, times in self.stages.items()
        )

    @property
    def head_batch_ns(self) -> dict[str, tuple[int, ...]]:
        """Median time of each exit's head, for each of the `batch_sizes`."""
        return {
            name: (times.p50_ns, *[batch.heads[name].p50_ns for batch in self.batches])
            for name, times in self.heads.items()
        }

    @property
    def batch_total_ns(self) -> dict[int, int]:
        """Median time of the cloud net up to its last exit for one batch, by batch size."""
        rows = (*self.stage_batch_ns, *[*self.head_batch_ns.values()][-1:])
        return {size: sum(row[n] for row in rows) for n, size in enumerate(self.batch_sizes)}

    @property
    def codec_ns(self) -> dict[str, int]:
        """Median time of this site's half of each codec other than jpeg."""
        return {name: times.p50_ns for name, times in self.codecs.items()}

    @property
    def split_ns(self) -> dict[str, int]:
        """Median time of packing or unpacking each raw split."""
        return {name: times.p50_ns for name, times in self.splits.items()}

    @property
    def decode_ns(self) -> int:
        """Median time of decoding a JPEG."""
        return self.images["decode"].p50_ns

    @property
    def total_ns(self) -> int:
        """Median time of the network `part`, up to its last exit."""
        if self.part == "edge":
            return sum(self.layer_ns)
        return sum(self.stage_ns) + sum([*self.head_ns.values()][-1:])


def this_host() -> str:
    """The name of this machine, as profiles record it."""
    return platform.node()


def blank_profile(
    bundle: Bundle, part: Part, threads: int, precision: Precision, device: Device
) -> Profile:
    """A profile without times, for the conditions on this host."""
    import torch

    from mc_models.inference.devices import device_name

    return Profile(
        bundle.hash, part, precision, device_name(device), threads, this_host(), torch.__version__
    )
