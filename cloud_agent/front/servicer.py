"""The CloudAgent service: decode the request, call the front, encode the answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.gate import certified_name, client_of
from mc_proto.quota import QuotaExceeded
from mc_proto.v1 import cloud_pb2

from cloud_agent.front.front import Front
from cloud_agent.front.limits import SessionError
from cloud_agent.front.session import EOF

Context = Any
SERVICE = "mc.v1.CloudAgent"
MAX_PADDING_BYTES = 65536
"""Upper limit of the padding in a probe's reply."""


class CloudServicer:
    """Serves one agent's port."""

    def __init__(self, front: Front, version: str) -> None:
        self._front, self._version = front, version

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service. Sessions write encoded messages, so they have no serializer."""
        unary = grpc.unary_unary_rpc_method_handler
        handlers = {
            "Describe": unary(
                self.describe,
                cloud_pb2.DescribeRequest.FromString,
                cloud_pb2.DescribeReply.SerializeToString,
            ),
            "Session": grpc.stream_stream_rpc_method_handler(
                self.session, cloud_pb2.SessionRequest.FromString
            ),
            "GiveUp": unary(
                self.give_up,
                cloud_pb2.GiveUpRequest.FromString,
                cloud_pb2.GiveUpReply.SerializeToString,
            ),
            "Probe": unary(
                self.probe,
                cloud_pb2.ProbeRequest.FromString,
                cloud_pb2.ProbeReply.SerializeToString,
            ),
        }
        handler = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((handler,))

    async def describe(self, request: Any, context: Context) -> cloud_pb2.DescribeReply:
        """Return the tables of the bundle that this agent hosts."""
        return serde.describe_to_wire(self._front.table, self._version)

    async def probe(
        self, request: cloud_pb2.ProbeRequest, context: Context
    ) -> cloud_pb2.ProbeReply:
        """Return the agent's load, and take the round trip that the edge measured."""
        started_ns = time.monotonic_ns()
        if request.last_rtt_ns:
            owner = certified_name(context)
            self._front.sample_link(request.edge_id, request.last_rtt_ns, owner)
        load = self._front.load(started_ns)
        return cloud_pb2.ProbeReply(
            padding=bytes(min(request.reply_padding_bytes, MAX_PADDING_BYTES)),
            held_ns=time.monotonic_ns() - started_ns,
            queue_ns=load.queue_ns,
            slowdown=load.slowdown,
            bundle_hash=self._front.table.bundle_hash,
            draining=load.draining,
        )

    async def give_up(
        self, request: cloud_pb2.GiveUpRequest, context: Context
    ) -> cloud_pb2.GiveUpReply:
        """Stop the work on a task; harmless if the task is over already."""
        owner = certified_name(context)
        known = self._front.give_up(request.edge_id, request.task_id, owner)
        return cloud_pb2.GiveUpReply(known=known)

    async def session(self, requests: Any, context: Context) -> None:
        """Serve one session, from its `hello` to its end.

        A client that has been cut gets the status when it reads; until then it counts as a session.
        """
        client = client_of(context)
        try:
            with self._front.quota.one(client):
                try:
                    await self._serve(client, context)
                except SessionError as error:
                    await context.abort(error.code, str(error))
        except QuotaExceeded as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _serve(self, client: str, context: Context) -> None:
        hello = await self._hello(context)
        session = self._front.join(hello, client, certified_name(context))
        try:
            await session.run(context.read, context.write)
        finally:
            self._front.leave(session)

    async def _hello(self, context: Context) -> cloud_pb2.SessionRequest.Hello:
        """Return a session's first message."""
        limit_s = self._front.limits.upload_ns / 1e9
        try:
            first = await asyncio.wait_for(context.read(), limit_s)
        except asyncio.TimeoutError:
            raise SessionError(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"hello: did not arrive within {limit_s:g} s"
            ) from None
        if first is EOF or first.WhichOneof("message") != "hello":
            raise SessionError(
                grpc.StatusCode.INVALID_ARGUMENT, "hello: must be the first message of a session"
            )
        hello: cloud_pb2.SessionRequest.Hello = first.hello
        return hello
