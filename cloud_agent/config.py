"""The cloud agent's configuration; `configs/cloud.yaml` explains every key."""

from __future__ import annotations

from pydantic import Field

from mc_sched.config import Address
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.service.config import AgentConfig

LIVE = frozenset({"exit_rule", "quantile", "max_tasks", "max_payload_bytes", "limits", "log_level"})
"""Keys that change on SIGHUP."""


class CloudConfig(AgentConfig):
    """What a cloud agent can be told."""

    listen: Address = Field(default="127.0.0.1:7071", validate_default=True)
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    max_tasks: int = Field(default=64, ge=1, le=10_000)
    max_payload_bytes: int = Field(default=8 * 2**20, ge=1024, le=8 * 2**20)

    def settings(self) -> CloudSettings:
        """The core's part of it."""
        return CloudSettings(quantile=self.quantile, max_tasks=self.max_tasks)
