"""The cloud agent's configuration; docs/configuration.md is generated from it."""

from __future__ import annotations

from pydantic import Field

from mc_sched.config import Address
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.service.config import AgentConfig

LIVE = frozenset({"exit_rule", "quantile", "max_tasks", "max_payload_bytes", "limits", "log_level"})
"""Keys that change on SIGHUP."""


class CloudConfig(AgentConfig):
    """Keys of the cloud agent."""

    listen: Address = Field(
        default="127.0.0.1:7071", validate_default=True, examples=["0.0.0.0:7071"]
    )
    """gRPC address for edge agents; beyond loopback it needs `tls`."""
    exit_rule: ExitRule = Field(default=ExitRule.ADAPTIVE, examples=["earliest"])
    """Exit rule of a task that names none; see the edge agent's key."""
    max_tasks: int = Field(default=64, ge=1, le=10_000, examples=[128])
    """Waiting and running tasks; further ones are refused."""
    max_payload_bytes: int = Field(default=8 * 2**20, ge=1024, le=8 * 2**20, examples=[1_048_576])
    """Largest payload of a task, in bytes."""

    def settings(self) -> CloudSettings:
        """Return the settings of the cloud machine."""
        return CloudSettings(quantile=self.quantile, max_tasks=self.max_tasks)
