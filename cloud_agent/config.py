"""The cloud agent's configuration; `configs/cloud.yaml` explains every key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mc_sched.config import Address, Config
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.obs.agent_log import LogStoreConfig
from mc_sched.obs.web.config import HttpConfig


class CloudConfig(Config):
    """What a cloud agent can be told."""

    listen: Address = "127.0.0.1:7071"
    bundle: str = "set-a"
    threads: int = Field(default=1, ge=1, le=256)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    quantile: float = Field(default=0.95, ge=0.5, lt=1.0)
    max_tasks: int = Field(default=64, ge=1, le=10_000)
    max_payload_bytes: int = Field(default=8 * 2**20, ge=1024, le=8 * 2**20)
    event_log: str | None = None
    log_store: LogStoreConfig = LogStoreConfig()
    http: HttpConfig = HttpConfig()
    profile: str | None = None

    def settings(self) -> CloudSettings:
        """The core's part of it."""
        return CloudSettings(quantile=self.quantile, max_tasks=self.max_tasks)
