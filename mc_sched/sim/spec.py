"""What a simulated world is made of, as plain values. Times count from the start of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Task
from mc_sched.link.model import KINDS, LinkSpec
from mc_sched.sim.noise import Noise
from mc_sched.sim.step_function import Steps

AS_PROFILED = Noise()
STEADY = Steps((0,), (1.0,))
"""A device that nothing else uses."""


@dataclass(frozen=True)
class DeviceSpec:
    """How the times on a device stray from the table's."""

    noise: Noise = AS_PROFILED
    slowdown: Steps = STEADY
    """What others on the device do to our work; a piece keeps what held at its start."""

    def took_ns(self, profiled_ns: int, image: int, piece: int, now_ns: int) -> int:
        """How long a piece of work on this image takes, if it starts now."""
        return int(profiled_ns * self.noise.factor(image, piece) * self.slowdown.at(now_ns))


@dataclass(frozen=True)
class RadioLinkSpec:
    """A link, and how much longer than its own round trip the way takes at a time."""

    link: LinkSpec = field(default_factory=lambda: KINDS["wifi"])
    extra_rtt_ns: Steps | None = None


@dataclass(frozen=True)
class CloudSpec:
    """One cloud agent."""

    table: CloudTable
    settings: CloudSettings = field(default_factory=CloudSettings)
    device: DeviceSpec = field(default_factory=DeviceSpec)


@dataclass(frozen=True)
class EdgeSpec:
    """One edge device with its stream."""

    edge_id: str
    table: LocalTable
    arrivals: Callable[[], Iterator[Task]]
    """Its tasks in order of arrival; `submitted_ns` is the moment."""
    settings: EdgeSettings = field(default_factory=EdgeSettings)
    device: DeviceSpec = field(default_factory=DeviceSpec)
    way: RadioLinkSpec = field(default_factory=RadioLinkSpec)
    cloud: int | None = 0
    """Which of the world's cloud agents it uses; None: it works alone."""
    radio: str = ""
    """Edges that name the same radio share one link; empty: a link of its own."""
    admission_ns: int = 0
    """From an image's arrival to its decision: decoding and cropping it."""


@dataclass(frozen=True)
class WorldSpec:
    """Edges against cloud agents."""

    edges: tuple[EdgeSpec, ...]
    clouds: tuple[CloudSpec, ...] = ()
    seed: int = 0
