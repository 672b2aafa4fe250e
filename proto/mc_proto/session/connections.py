"""The two connections of an edge to a cloud agent."""

from __future__ import annotations

from typing import Any

from mc_proto.channel import connect
from mc_proto.tls import Identity
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc


class CloudConnections:
    """A connection for sessions, and one for the calls that must not wait behind image bytes.

    Calls raise grpc.aio.AioRpcError if they fail.
    """

    def __init__(self, address: str, identity: Identity | None = None) -> None:
        """Prepare both connections; with an `identity` they use mutual TLS."""
        self._data, self._control = connect(address, identity), connect(address, identity)
        self._data_stub: Any = cloud_pb2_grpc.CloudAgentStub(self._data)
        self._control_stub: Any = cloud_pb2_grpc.CloudAgentStub(self._control)

    async def close(self) -> None:
        """Disconnect; calls in flight fail."""
        await self._data.close(None)
        await self._control.close(None)

    def start_session(self) -> Any:
        """Start a Session call."""
        return self._data_stub.Session()

    async def describe(self, timeout_s: float) -> cloud_pb2.DescribeReply:
        """Return the tables that the cloud agent hosts."""
        request = cloud_pb2.DescribeRequest()
        reply: cloud_pb2.DescribeReply = await self._control_stub.Describe(
            request, timeout=timeout_s
        )
        return reply

    async def probe(
        self, request: cloud_pb2.ProbeRequest, timeout_s: float
    ) -> cloud_pb2.ProbeReply:
        """Make one round trip."""
        reply: cloud_pb2.ProbeReply = await self._control_stub.Probe(request, timeout=timeout_s)
        return reply

    async def give_up(self, request: cloud_pb2.GiveUpRequest, timeout_s: float) -> bool:
        """Stop the work on a task; return True if the cloud agent knew it."""
        reply: cloud_pb2.GiveUpReply = await self._control_stub.GiveUp(request, timeout=timeout_s)
        return reply.known
