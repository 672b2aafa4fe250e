"""The gRPC port of an agent: address, certificates, limits per client, health service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from mc_proto.channel import MAX_MESSAGE_BYTES, bind, make_server
from mc_proto.gate import Gate
from mc_proto.health import Health
from mc_proto.tls import Identity, load_identity

from mc_sched.service.config import AgentConfig

STOP_GRACE_S = 1.0
"""Time that open calls have to end before they are cancelled."""
CANCEL_S = 0.05
"""Time for cancelled calls to run their handlers on the loop."""
DRAIN_S = 18.0
"""Longest drain; the process has to be gone 20 s after SIGTERM."""


def identity_for(config: AgentConfig, address: str) -> Identity | None:
    """Load the certificates for a connection; None if it is not encrypted.

    Raises ValueError or OSError if they cannot be used.
    """
    directory = config.tls_for(address)
    return None if directory is None else load_identity(directory)


class GrpcPort:
    """Listens from its construction on, and answers calls from `start` on."""

    def __init__(
        self,
        config: AgentConfig,
        service: str,
        logger: logging.Logger,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """`service` is the name that the health service reports, such as mc.v1.EdgeAgent.

        Raises OSError or ValueError if the port or the certificates cannot be used.
        """
        self._service, self._logger = service, logger
        self._gate = Gate(config.tls.allow if config.tls else (), log=logger)
        self.set_limits(config)
        self.server = make_server(self._gate, max_message_bytes)
        self.identity = identity_for(config, config.listen)
        host = config.listen.rpartition(":")[0]
        self._address = f"{host}:{bind(self.server, config.listen, self.identity)}"
        self.health = Health(self.server)

    @property
    def expires(self) -> datetime | None:
        """Expiry time of the certificate in use, or None without one."""
        return None if self.identity is None else self.identity.expires

    def set_limits(self, config: AgentConfig) -> None:
        """Apply the limits of `config` to new calls."""
        # beside its tasks, a client asks for the status, probes and gives up
        self._gate.calls.most = 2 * config.limits.tasks_per_client + 16
        self._gate.upload_s = config.limits.upload / 1e9

    async def start(self) -> None:
        """Answer calls; the health service still reports NOT_SERVING."""
        await self.server.start()

    async def set_serving(self) -> None:
        """Report SERVING."""
        await self.health.set(True, self._service)
        self._logger.info("serving on %s", self._address)

    async def stop(self, drain: Coroutine[Any, Any, None]) -> None:
        """Report NOT_SERVING, wait for `drain`, end the open calls."""
        await self.health.set(False, self._service)
        await within_drain_limit(drain)
        await self.server.stop(STOP_GRACE_S)
        await asyncio.sleep(CANCEL_S)


async def within_drain_limit(drain: Coroutine[Any, Any, None]) -> None:
    """Wait for a drain, but not longer than a service manager allows."""
    try:
        await asyncio.wait_for(drain, DRAIN_S)
    except asyncio.TimeoutError:
        return
