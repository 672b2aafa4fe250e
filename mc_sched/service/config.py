"""The configuration that both agents share: where to listen, who may call, what to run, limits.

An agent has a set `LIVE` of keys that change while it runs, on SIGHUP; the others need a restart.
docs/configuration.md is generated from these models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from mc_sched.config import Address, Config, Duration, DurationRange, OneOf
from mc_sched.obs.agent_log import LogStoreConfig
from mc_sched.obs.web.config import HttpConfig
from mc_sched.sensors.inventory import POWER_NAMES
from mc_sched.units import is_loopback, parse_address

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""A certificate's common name has at most 64 characters (RFC 5280, upper bounds)."""
UPLOAD = DurationRange(100_000_000, 60_000_000_000)
"""Range of an upload's time limit; its upper end is the longest deadline."""


class TlsConfig(Config):
    """This node's certificates, made by `mc-sched certs`, and the nodes that it trusts."""

    directory: str = Field(default="/etc/mc-sched/tls", examples=["/srv/tls/robot-7"])
    """Directory with `ca.crt`, `node.crt` and `node.key`."""
    allow: tuple[Name, ...] = Field(default=(), examples=[["robot-7", "robot-8"]])
    """Names of the certificates that may call this agent; empty for all of the same authority."""


class LimitsConfig(Config):
    """Limits per client, which is known by its certificate's name or else by its host."""

    tasks_per_client: int = Field(default=256, ge=1, le=10_000, examples=[32])
    """Open tasks of one client; further ones are refused."""
    upload: Annotated[Duration, AfterValidator(UPLOAD)] = Field(
        default=10_000_000_000, examples=["5s"]
    )
    """Longest time that a request may take to arrive."""


class SensorsConfig(Config):
    """Sensors of the machine; `mc-sched doctor` lists those that it has."""

    power: Annotated[str, AfterValidator(OneOf(("auto", "none", *POWER_NAMES)))] = Field(
        default="auto", examples=["rapl"]
    )
    """Sensor of the power; `auto` takes the best one that covers the networks' device."""


class AgentConfig(Config):
    """Keys of both agents."""

    tls: TlsConfig | None = None
    """Certificates for connections that leave this machine; `null` for none."""
    listen_without_tls: bool = Field(default=False, examples=[True])
    """Allow `listen` beyond loopback without encryption, in a network that you trust."""
    listen: Address = Field(validate_default=True)
    bundle: str = Field(default="set-a", examples=["/srv/bundles/birds"])
    """Name or directory of the bundle; both agents must have the same one."""
    threads: int = Field(default=1, ge=1, le=256, examples=[4])
    """CPU threads of each network worker."""
    precision: Literal["auto", "float32", "bfloat16"] = Field(default="auto", examples=["float32"])
    """Numeric precision of the networks; `auto` takes the fastest one measured on this host."""
    quantile: float = Field(default=0.95, ge=0.5, lt=1.0, examples=[0.99])
    """Quantile of the predicted times that decisions use."""
    max_tasks: int
    limits: LimitsConfig = LimitsConfig()
    """Limits per client."""
    sensors: SensorsConfig = SensorsConfig()
    """Power sensor of this machine; the cloud agent shows its power in the metrics."""
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", examples=["debug"]
    )
    """Lowest level of the messages on stderr."""
    event_log: str | None = Field(default=None, examples=["/var/log/mc-sched.jsonl"])
    """File that gets one JSON line per event and action; `null` for none."""
    log_store: LogStoreConfig = LogStoreConfig()
    """Indexed event log, which `mc-sched logs`, `mc-sched explain` and the console read."""
    http: HttpConfig = HttpConfig()
    """Port of the console, the metrics and Loki's read API."""
    profile: str | None = Field(default=None, examples=["/srv/profiles/birds.json"])
    """File with this host's measured times; `null` for one per bundle in the state directory."""

    @field_validator("listen")
    @classmethod
    def _private_or_encrypted(cls, value: str, info: ValidationInfo) -> str:
        protected = info.data.get("tls") is not None or info.data.get("listen_without_tls")
        if not protected and not is_loopback(parse_address(value)[0]):
            raise ValueError(
                "other machines could connect and nothing would be encrypted; set tls: (`mc-sched "
                "certs init` makes certificates), or, in a network that you trust, "
                "listen_without_tls: true"
            )
        return value

    def tls_for(self, address: str) -> Path | None:
        """Return the directory of the certificates for a connection; None if it is not encrypted.

        A connection within this machine needs none.
        """
        if self.tls is None or is_loopback(parse_address(address)[0]):
            return None
        return Path(self.tls.directory)


ConfigT = TypeVar("ConfigT", bound=AgentConfig)


def changes(old: Config, new: Config, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the old and new value of each key that differs, by its dotted name."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in type(old).model_fields:
        before, after = getattr(old, key), getattr(new, key)
        if isinstance(before, Config) and isinstance(after, Config):
            found |= changes(before, after, f"{path}{key}.")
        elif before != after:
            found[f"{path}{key}"] = (before, after)
    return found


def with_live(old: ConfigT, new: ConfigT, live: frozenset[str]) -> ConfigT:
    """Return `old` with the `live` top-level keys of `new`."""
    return old.model_copy(update={key: getattr(new, key) for key in live})
