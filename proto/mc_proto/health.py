"""grpc.health.v1 that tells the truth: what serves is said, service by service."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class _Servicer(health.aio.HealthServicer):
    """grpc_health's, without what is not true or no news.

    It would say from the start that the agent as a whole serves, and tell of each watcher that is
    cut off at shutdown as of an error.
    """

    def __init__(self) -> None:
        super().__init__()
        self._server_status[""] = health_pb2.HealthCheckResponse.NOT_SERVING

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Each change of a service's state, until the watcher or the agent leaves."""
        with contextlib.suppress(asyncio.CancelledError):
            await super().Watch(request, context)


class Health:
    """The health service of one agent; everything is NOT_SERVING until it is said to serve."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._servicer = _Servicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, serving: bool, service: str) -> None:
        """Say whether `service` serves, and the agent as a whole with it."""
        await self.set_part(serving, service)
        await self.set_part(serving, "")

    async def set_part(self, serving: bool, service: str) -> None:
        """Say whether one service serves; the agent as a whole stays as it is."""
        status = health_pb2.HealthCheckResponse
        state = status.SERVING if serving else status.NOT_SERVING
        await self._servicer.set(service, state)
