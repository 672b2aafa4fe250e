"""The service grpc.health.v1: whether each service of an agent is serving."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


class _Servicer(health.aio.HealthServicer):
    """The servicer of grpc_health with two corrections.

    The original reports from the start that the agent as a whole is serving, and it logs an error
    for every watcher that is cancelled at shutdown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._server_status[""] = health_pb2.HealthCheckResponse.NOT_SERVING

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Send each change of a service's state, until the watcher or the agent leaves."""
        with contextlib.suppress(asyncio.CancelledError):
            await super().Watch(request, context)


class Health:
    """The health service of one agent; everything is NOT_SERVING until it is set."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._servicer = _Servicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, serving: bool, service: str) -> None:
        """Set the state of a service and of the agent as a whole."""
        await self.set_part(serving, service)
        await self.set_part(serving, "")

    async def set_part(self, serving: bool, service: str) -> None:
        """Set the state of one service only."""
        status = health_pb2.HealthCheckResponse
        state = status.SERVING if serving else status.NOT_SERVING
        await self._servicer.set(service, state)
