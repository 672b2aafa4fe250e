"""The edges and cloud agents of a scenario, in groups of identical ones, and their streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator

from mc_sched.config import Config, Duration, Size
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.policies import POLICIES
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import MAX_DEADLINE_NS, ExitRule, Mode, Privacy
from mc_sched.sim.scenario.devices import DeviceConfig
from mc_sched.sim.scenario.links import LinkConfig


class StreamConfig(Config):
    """The stream of images that an edge classifies."""

    start: Duration = Field(default=0, ge=0)
    """Arrival of the first image; the agents run from 0."""
    tasks: int = Field(default=1000, ge=1)
    fps: float = Field(default=12.0, gt=0, le=1e6)
    arrivals: Literal["constant", "poisson"] = "constant"
    deadline: Duration = Field(default=84_000_000, gt=0, le=MAX_DEADLINE_NS)
    accuracy: float | None = Field(default=0.75, ge=0, le=1)
    privacy: Privacy = Privacy.ANY
    jpeg: Size = Field(default=16_000, gt=0)
    size_dispersion: float = Field(default=0.0, ge=0, le=2)
    encoding: Duration = 0


class EnergyConfig(Config):
    """Declared power of the device in watts (`compute_w` is above idle), and its radio."""

    compute_w: float = Field(default=EnergyModel.compute_w, ge=0, le=1000)
    idle_w: float = Field(default=EnergyModel.idle_w, ge=0, le=1000)
    radio: Literal["wifi", "4g", "3g"] | None = None
    """Kind of the radio; None for the kind of the link."""


class EdgeGroupConfig(Config):
    """A group of identical edge devices."""

    name: str = Field(default="edge", min_length=1, max_length=60, pattern=r"^[\w.-]+$")
    count: int = Field(default=1, ge=1, le=100_000)
    stream: StreamConfig = StreamConfig()
    link: LinkConfig = LinkConfig()
    share_link: bool = False
    """True if all devices of the group share one radio link."""
    device: DeviceConfig = DeviceConfig()
    alone: bool = False
    """True if the devices have no cloud agent."""
    cloud: int | None = Field(default=None, ge=0)
    """Index of the cloud agent, from 0; None to distribute the devices over all of them."""
    policy: str = "mc"
    mode: Mode = Mode.ENERGY
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    basic_accuracy: float = Field(default=EdgeSettings.basic_accuracy, ge=0, le=1)
    quantile: float = Field(default=EdgeSettings.quantile, ge=0.5, lt=1.0)
    margin: Duration = EdgeSettings.margin_ns
    cloud_net_on_edge: bool = EdgeSettings.cloud_net_on_edge
    max_tasks: int = Field(default=EdgeSettings.max_tasks, ge=1, le=10_000)
    max_uploads: int | None = Field(default=EdgeSettings.max_uploads, ge=1, le=64)
    probe_interval: Duration = Field(default=EdgeSettings.probe_interval_ns, ge=10_000_000)
    admission: Duration = 0
    """Time from an image's arrival to its decision, for decoding and cropping."""
    energy: EnergyConfig = EnergyConfig()

    @field_validator("policy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in POLICIES:
            raise ValueError(f"must be one of {', '.join(POLICIES)}")
        return value

    def edge_ids(self) -> list[str]:
        """Names of the devices."""
        if self.count == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(self.count)]

    def settings(self) -> EdgeSettings:
        """Return the core's settings of an edge of this group."""
        radio = self.energy.radio or (self.link.kind if self.link.kind in RADIOS else "wifi")
        energy = replace(
            EnergyModel(),
            compute_w=self.energy.compute_w,
            idle_w=self.energy.idle_w,
            radio=RADIOS[radio],
        )
        return EdgeSettings(
            basic_accuracy=self.basic_accuracy,
            mode=self.mode,
            policy=self.policy,
            exit_rule=self.exit_rule,
            quantile=self.quantile,
            margin_ns=self.margin,
            cloud_net_on_edge=self.cloud_net_on_edge,
            max_tasks=self.max_tasks,
            max_uploads=self.max_uploads,
            probe_interval_ns=self.probe_interval,
            energy=energy,
        )


class CloudGroupConfig(Config):
    """A group of identical cloud agents."""

    count: int = Field(default=1, ge=1, le=10_000)
    device: DeviceConfig = DeviceConfig()
    quantile: float = Field(default=CloudSettings.quantile, ge=0.5, lt=1.0)
    max_tasks: int = Field(default=CloudSettings.max_tasks, ge=1, le=10_000)
    max_batch: int = Field(default=CloudSettings.max_batch, ge=1, le=1024)
    decoders: int = Field(default=CloudSettings.decoders, ge=1, le=256)
    credits: bool = CloudSettings.credits

    def settings(self) -> CloudSettings:
        """Return the core's settings of a cloud agent of this group."""
        return CloudSettings(
            quantile=self.quantile,
            max_tasks=self.max_tasks,
            max_batch=self.max_batch,
            decoders=self.decoders,
            credits=self.credits,
        )
