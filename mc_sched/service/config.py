"""What both agents can be told: where to listen, who may call, what to run, how much to take.

`LIVE` keys change while an agent runs, on SIGHUP; the others need a restart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from mc_sched.config import Address, Config, Duration
from mc_sched.obs.agent_log import LogStoreConfig
from mc_sched.obs.web.config import HttpConfig
from mc_sched.sensors.inventory import POWER_NAMES
from mc_sched.units import format_ns, is_loopback, parse_address

SHORTEST_UPLOAD_NS, LONGEST_UPLOAD_NS = 100_000_000, 60_000_000_000
"""No task may take longer than 60 s, so no upload either."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""A certificate's common name has at most 64 characters (RFC 5280, upper bounds)."""


class TlsConfig(Config):
    """A node's certificates, and whose it believes."""

    directory: str = "/etc/mc-sched/tls"
    allow: tuple[Name, ...] = ()


class LimitsConfig(Config):
    """What one client may have of an agent."""

    tasks_per_client: int = Field(default=256, ge=1, le=10_000)
    upload: Duration = 10_000_000_000

    @field_validator("upload")
    @classmethod
    def _bounded(cls, value: int) -> int:
        if not SHORTEST_UPLOAD_NS <= value <= LONGEST_UPLOAD_NS:
            raise ValueError(
                f"must be from {format_ns(SHORTEST_UPLOAD_NS)} to {format_ns(LONGEST_UPLOAD_NS)}"
            )
        return value


class SensorsConfig(Config):
    """Where the machine's power is read."""

    power: str = "auto"

    @field_validator("power")
    @classmethod
    def _known_sensor(cls, value: str) -> str:
        known = ("auto", "none", *POWER_NAMES)
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value


class AgentConfig(Config):
    """The keys that both agents have."""

    tls: TlsConfig | None = None
    listen_without_tls: bool = False
    listen: Address = Field(validate_default=True)
    bundle: str = "set-a"
    threads: int = Field(default=1, ge=1, le=256)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    quantile: float = Field(default=0.95, ge=0.5, lt=1.0)
    max_tasks: int
    limits: LimitsConfig = LimitsConfig()
    sensors: SensorsConfig = SensorsConfig()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    event_log: str | None = None
    log_store: LogStoreConfig = LogStoreConfig()
    http: HttpConfig = HttpConfig()
    profile: str | None = None

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
        """Where the certificates for a connection lie; None: it stays on this machine, or plain."""
        if self.tls is None or is_loopback(parse_address(address)[0]):
            return None
        return Path(self.tls.directory)


ConfigT = TypeVar("ConfigT", bound=AgentConfig)


def changes(old: Config, new: Config, path: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs: the dotted key, and both values."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in type(old).model_fields:
        before, after = getattr(old, key), getattr(new, key)
        if isinstance(before, Config) and isinstance(after, Config):
            found |= changes(before, after, f"{path}{key}.")
        elif before != after:
            found[f"{path}{key}"] = (before, after)
    return found


def with_live(old: ConfigT, new: ConfigT, live: frozenset[str]) -> ConfigT:
    """The old configuration with those of the new one's top-level keys that may change live."""
    return old.model_copy(update={key: getattr(new, key) for key in live})
