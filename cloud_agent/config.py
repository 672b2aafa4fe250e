"""The cloud agent's configuration; docs/configuration.md is generated from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from cloud_agent.devices import Wanted, parse_devices
from mc_sched.config import Address, Notation, Size
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.service.config import AgentConfig, LimitsConfig

LIVE = frozenset({"exit_rule", "quantile", "max_tasks", "max_payload_bytes", "limits", "log_level"})
"""Keys that change on SIGHUP."""


class CloudLimitsConfig(LimitsConfig):
    """Limits per client, and on the memory that sessions may hold."""

    sessions_per_client: int = Field(default=64, ge=1, le=10_000, examples=[4])
    """Open sessions of one client; an edge agent has one."""
    session_upload: Size = Field(default=64_000_000, ge=1_000_000, examples=["16MB"])
    """Bytes of unfinished payloads of one session; a task beyond them is refused."""
    all_uploads: Size = Field(default=512_000_000, ge=1_000_000, examples=["128MB"])
    """Bytes of unfinished payloads of all sessions."""
    unread: Size = Field(default=1_000_000, ge=64_000, examples=["4MB"])
    """Bytes of messages that a client may leave unread; then its session is cut."""


class CloudConfig(AgentConfig):
    """Keys of the cloud agent."""

    listen: Address = Field(
        default="127.0.0.1:7071", validate_default=True, examples=["0.0.0.0:7071"]
    )
    """gRPC address for edge agents; beyond loopback it needs `tls`."""
    devices: Annotated[Wanted, BeforeValidator(parse_devices), Notation("`auto` or list")] = Field(
        default="auto", examples=[["cuda:0", "cuda:1"]]
    )
    """Devices that run networks, each with a process of its own; `auto` for every GPU, or the CPU
    once. A list may name one twice, such as `[cpu, cpu]`."""
    decoders: int = Field(default=1, ge=1, le=64, examples=[4])
    """Threads per device that decode payloads."""
    max_batch: int = Field(default=32, ge=1, le=1024, examples=[8])
    """Most tasks that run one stage together; 1 for no batches."""
    exit_rule: ExitRule = Field(default=ExitRule.ADAPTIVE, examples=["earliest"])
    """Exit rule of a task that names none; see the edge agent's key."""
    max_tasks: int = Field(default=64, ge=1, le=10_000, examples=[128])
    """Waiting and running tasks per device; further ones are refused."""
    max_payload_bytes: int = Field(default=8 * 2**20, ge=1024, le=8 * 2**20, examples=[1_048_576])
    """Largest payload of a task, in bytes."""

    limits: CloudLimitsConfig = CloudLimitsConfig()
    """Limits per client."""

    def settings(self) -> CloudSettings:
        """Return the settings of the cloud machine."""
        return CloudSettings(
            quantile=self.quantile,
            max_tasks=self.max_tasks,
            max_batch=self.max_batch,
            decoders=self.decoders,
        )
