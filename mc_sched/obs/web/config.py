"""The HTTP port in an agent's configuration."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator
from typing_extensions import Self

from mc_sched.config import Config
from mc_sched.errors import UserError
from mc_sched.units import is_loopback, parse_address

DEFAULT_PORTS = {"edge": 9070, "cloud": 9071}


class HttpConfig(Config):
    """Port of the console, the metrics and Loki's read API."""

    listen: str = Field(default="auto", examples=["0.0.0.0:9070"])
    """An address, `none`, or `auto` for loopback, port 9070 on the edge and 9071 in the cloud.

    Beyond loopback the other keys of the section are required.
    """
    token_file: str | None = Field(default=None, examples=["/etc/mc-sched/token"])
    """File with the token of at least 16 characters that each request must bring."""
    certificate: str | None = Field(default=None, examples=["/etc/mc-sched/http.crt"])
    """PEM file with the certificate chain."""
    key: str | None = Field(default=None, examples=["/etc/mc-sched/http.key"])
    """PEM file with the certificate's key."""

    @model_validator(mode="after")
    def _closed_beyond_loopback(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("set certificate and key together")
        if self.listen in ("auto", "none"):
            return self
        host, _ = parse_address(self.listen)
        if not is_loopback(host) and not (self.token_file and self.certificate):
            raise ValueError("beyond loopback it needs token_file, certificate and key")
        return self

    def address(self, node: str, agent_listen: str) -> str | None:
        """Return the port's address; None for no HTTP port.

        `auto` opens none for an agent on port 0, because another agent may hold the usual port.
        """
        if self.listen == "none":
            return None
        if self.listen != "auto":
            return self.listen
        lasting = parse_address(agent_listen)[1] != 0
        return f"127.0.0.1:{DEFAULT_PORTS[node]}" if lasting else None

    def token(self) -> str:
        """Return the token; "" if none is configured. Raise UserError if it cannot be read."""
        if self.token_file is None:
            return ""
        try:
            token = Path(self.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"http.token_file {self.token_file}: cannot be read: {error}") from None
        if len(token) < 16:
            raise UserError(
                f"http.token_file {self.token_file}: the token needs at least 16 characters"
            )
        return token

    @property
    def pair(self) -> tuple[Path, Path] | None:
        """Files of the certificate and its key; None without TLS."""
        if self.certificate is None or self.key is None:
            return None
        return Path(self.certificate), Path(self.key)
