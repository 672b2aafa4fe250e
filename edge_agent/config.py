"""The edge agent's configuration; `configs/edge.yaml` explains every key."""

from __future__ import annotations

import platform
import secrets
from dataclasses import replace
from typing import Literal

from mc_proto.serde import MAX_ID
from pydantic import Field, field_validator

from mc_sched.config import Address, Config, Duration
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.policies import POLICIES
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import ExitRule, Mode
from mc_sched.service.config import AgentConfig, SensorsConfig
from mc_sched.units import format_ns

SHORTEST_PROBE_INTERVAL_NS = 10_000_000
"""A probe every 10 ms already tells all that the scheduler can use of the link."""
SHORTEST_SAMPLE_NS, LONGEST_SAMPLE_NS = 10_000_000, 1_000_000_000
"""Sensors average over milliseconds; samples a second apart still share tasks out fairly."""


LIVE = frozenset(
    {
        "policy", "mode", "basic_accuracy", "accuracy_step", "quantile", "margin", "exit_rule",
        "max_tasks", "max_uploads", "limits", "log_level",
    }
)  # fmt: skip
"""Keys that change on SIGHUP."""


def _own_name() -> str:
    """The host's name, told apart from another device made from the same image."""
    return f"{platform.node()}-{secrets.token_hex(2)}"


class EdgeSensorsConfig(SensorsConfig):
    """Where the device's power is read, and how often."""

    interval: Duration = 100_000_000

    @field_validator("interval")
    @classmethod
    def _often_enough(cls, value: int) -> int:
        if not SHORTEST_SAMPLE_NS <= value <= LONGEST_SAMPLE_NS:
            raise ValueError(
                f"must be from {format_ns(SHORTEST_SAMPLE_NS)} to {format_ns(LONGEST_SAMPLE_NS)}"
            )
        return value


class EnergyConfig(Config):
    """Declared power of the device, in watts above idle, and its radio."""

    compute_w: float = Field(default=EnergyModel.compute_w, ge=0, le=1000)
    idle_w: float = Field(default=EnergyModel.idle_w, ge=0, le=1000)
    radio: Literal["wifi", "4g", "3g"] = "wifi"
    count_tail: bool = False

    def model(self) -> EnergyModel:
        """The core's form of it."""
        return replace(
            EnergyModel(),
            compute_w=self.compute_w,
            idle_w=self.idle_w,
            radio=RADIOS[self.radio],
            count_tail=self.count_tail,
        )


class EdgeConfig(AgentConfig):
    """What an edge agent can be told."""

    listen: Address = Field(default="127.0.0.1:7070", validate_default=True)
    cloud: Address | None = "127.0.0.1:7071"
    edge_id: str = Field(
        default_factory=_own_name, min_length=1, max_length=MAX_ID, validate_default=True
    )
    policy: str = "mc"
    mode: Mode = Mode.ENERGY
    basic_accuracy: float = Field(default=0.75, ge=0, le=1)
    accuracy_step: float = Field(default=0.05, gt=0, le=1)
    margin: Duration = 4_000_000
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    cloud_net_on_edge: bool = False
    max_tasks: int = Field(default=256, ge=1, le=10_000)
    max_uploads: int | None = Field(default=None, ge=1, le=64)
    probe_interval: Duration = EdgeSettings.probe_interval_ns
    energy: EnergyConfig = EnergyConfig()
    sensors: EdgeSensorsConfig = EdgeSensorsConfig()

    @field_validator("edge_id")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be printable characters, as the wire takes no others")
        return value

    @field_validator("probe_interval")
    @classmethod
    def _with_a_pause(cls, value: int) -> int:
        if value < SHORTEST_PROBE_INTERVAL_NS:
            raise ValueError(f"must be at least {format_ns(SHORTEST_PROBE_INTERVAL_NS)}")
        return value

    @field_validator("policy")
    @classmethod
    def _known_policy(cls, value: str) -> str:
        if value not in POLICIES:
            raise ValueError(f"must be one of {', '.join(POLICIES)}")
        return value

    def settings(self) -> EdgeSettings:
        """The core's part of it."""
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
