"""The parts of a simulated world as plain values. Times count from the start of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Task
from mc_sched.link.model import KINDS, LinkSpec
from mc_sched.sim.noise import Noise
from mc_sched.sim.step_function import StepFunction

AS_PROFILED = Noise()
STEADY = StepFunction((0,), (1.0,))
"""A device that nothing else uses."""


@dataclass(frozen=True)
class DeviceSpec:
    """Deviation of a device's times from its table."""

    noise: Noise = AS_PROFILED
    slowdown: StepFunction = STEADY
    """Caused by other users of the device; a piece of work keeps the value at its start."""

    def took_ns(self, profiled_ns: int, image: int, piece: int, now_ns: int) -> int:
        """Return the time that a piece of work on this image takes if it starts at `now_ns`."""
        return int(profiled_ns * self.noise.factor(image, piece) * self.slowdown.at(now_ns))


@dataclass(frozen=True)
class RadioLinkSpec:
    """A link, and a round trip that is added to the link's own, as a function of time."""

    link: LinkSpec = field(default_factory=lambda: KINDS["wifi"])
    extra_rtt_ns: StepFunction | None = None


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
    """Makes its tasks in order of arrival; `submitted_ns` is the moment."""
    settings: EdgeSettings = field(default_factory=EdgeSettings)
    device: DeviceSpec = field(default_factory=DeviceSpec)
    radio_link: RadioLinkSpec = field(default_factory=RadioLinkSpec)
    cloud: int | None = 0
    """Index of the cloud agent that it uses; None if it works alone."""
    shared_link: str = ""
    """Name of a link; edges that have the same name share it. Empty for a link of its own."""
    admission_ns: int = 0
    """Time from an image's arrival to its decision, for decoding and cropping."""


@dataclass(frozen=True)
class WorldSpec:
    """Edges and the cloud agents that they use."""

    edges: tuple[EdgeSpec, ...]
    clouds: tuple[CloudSpec, ...] = ()
    seed: int = 0
