"""The edge agent's configuration; docs/configuration.md is generated from it."""

from __future__ import annotations

import platform
import secrets
from dataclasses import replace
from typing import Annotated, Literal

from mc_proto.serde import MAX_ID
from pydantic import AfterValidator, Field, field_validator

from mc_sched.config import Address, Config, Duration, DurationRange, OneOf
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.policies import POLICIES
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import ExitRule, Mode
from mc_sched.service.config import AgentConfig, SensorsConfig

PROBE_INTERVAL = DurationRange(10_000_000)
"""A probe every 10 ms already measures the link as finely as the scheduler can use."""
SAMPLE_INTERVAL = DurationRange(10_000_000, 1_000_000_000)
"""Sensors average over milliseconds; samples a second apart still attribute energy to tasks."""


LIVE = frozenset(
    {
        "policy", "mode", "basic_accuracy", "accuracy_step", "quantile", "margin", "exit_rule",
        "max_tasks", "max_uploads", "limits", "log_level",
    }
)  # fmt: skip
"""Keys that change on SIGHUP."""


def _default_edge_id() -> str:
    """Return the host's name with a suffix, as devices made from one image share a name."""
    return f"{platform.node()}-{secrets.token_hex(2)}"


class EdgeSensorsConfig(SensorsConfig):
    """Sensors of the device; `mc-sched doctor` lists those that it has."""

    interval: Annotated[Duration, AfterValidator(SAMPLE_INTERVAL)] = Field(
        default=100_000_000, examples=["250ms"]
    )
    """Time between two readings of the power."""


class EnergyConfig(Config):
    """Declared energy model of the device; its watts are used while no sensor can be read."""

    compute_w: float = Field(default=EnergyModel.compute_w, ge=0, le=1000, examples=[5.5])
    """Watts above idle while the local net runs."""
    idle_w: float = Field(default=EnergyModel.idle_w, ge=0, le=1000, examples=[2.5])
    """Watts of the idle device."""
    radio: Literal["wifi", "4g", "3g"] = Field(default="wifi", examples=["4g"])
    """Energy model of the radio."""
    count_tail: bool = Field(default=False, examples=[True])
    """Let energy mode count the radio's tail energy, which is known for 4G only."""

    def model(self) -> EnergyModel:
        """Return the core's energy model."""
        return replace(
            EnergyModel(),
            compute_w=self.compute_w,
            idle_w=self.idle_w,
            radio=RADIOS[self.radio],
            count_tail=self.count_tail,
        )


class EdgeConfig(AgentConfig):
    """Keys of the edge agent."""

    listen: Address = Field(
        default="127.0.0.1:7070", validate_default=True, examples=["0.0.0.0:7070"]
    )
    """gRPC address for clients; beyond loopback it needs `tls`."""
    cloud: Address | None = Field(default="127.0.0.1:7071", examples=["server.lan:7071"])
    """Address of the cloud agent; `null` to work alone."""
    edge_id: str = Field(
        default_factory=_default_edge_id,
        min_length=1,
        max_length=MAX_ID,
        validate_default=True,
        examples=["robot-7"],
    )
    """Name of this device in the cloud, by default the host's name with a random suffix."""
    policy: Annotated[str, AfterValidator(OneOf(tuple(POLICIES)))] = Field(
        default="mc", examples=["edge-only"]
    )
    """Scheduling policy of a task that names none."""
    mode: Mode = Field(default=Mode.ENERGY, examples=["performance"])
    """Preference between sites: `energy` for the fewest joules, `performance` for speed."""
    basic_accuracy: float = Field(default=0.75, ge=0, le=1, examples=[0.8])
    """QoR of a task that names none."""
    accuracy_step: float = Field(default=0.05, gt=0, le=1, examples=[0.1])
    """Increase of a stream's QoR on feedback that an answer was not satisfactory."""
    margin: Duration = Field(default=4_000_000, examples=["10ms"])
    """Slack between the predicted end of a fallback and the deadline."""
    exit_rule: ExitRule = Field(default=ExitRule.ADAPTIVE, examples=["earliest"])
    """Exit at which the cloud stops: the first acceptable one (`earliest`), the deepest in time
    (`pursue`), or the deepest in time only while no other task waits (`adaptive`)."""
    cloud_net_on_edge: bool = Field(default=False, examples=[True])
    """Hold the cloud net on the device, for images that need more accuracy than the local net's."""
    max_tasks: int = Field(default=256, ge=1, le=10_000, examples=[64])
    """Open tasks; further ones are refused."""
    max_uploads: int | None = Field(default=None, ge=1, le=64, examples=[2])
    """Concurrent uploads; `null` for one, and as many more as cover a round trip."""
    probe_interval: Annotated[Duration, AfterValidator(PROBE_INTERVAL)] = Field(
        default=EdgeSettings.probe_interval_ns, examples=["500ms"]
    )
    """Time between two probes of the link."""
    energy: EnergyConfig = EnergyConfig()
    """Declared energy model of the device."""
    sensors: EdgeSensorsConfig = EdgeSensorsConfig()
    """Sensors of the device."""

    @field_validator("edge_id")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable() or "/" in value:
            raise ValueError("must be printable characters without a slash")
        return value

    def settings(self) -> EdgeSettings:
        """Return the settings of the edge machine."""
        return EdgeSettings(
            basic_accuracy=self.basic_accuracy,
            accuracy_step=self.accuracy_step,
            mode=self.mode,
            policy=self.policy,
            exit_rule=self.exit_rule,
            quantile=self.quantile,
            margin_ns=self.margin,
            cloud_net_on_edge=self.cloud_net_on_edge,
            max_tasks=self.max_tasks,
            max_uploads=self.max_uploads,
            probe_interval_ns=self.probe_interval,
            energy=self.energy.model(),
        )
