"""The call per task of edge agents that know no sessions: each call is served as a session."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.gate import certified_name, client_of
from mc_proto.v1 import cloud_pb2

from cloud_agent.front.front import Front
from cloud_agent.front.limits import SessionError
from cloud_agent.front.session import EOF

Request, Reply = cloud_pb2.SessionRequest, cloud_pb2.SessionReply
ENDS = ("result", "refused", "stopped")


class InferCall:
    """One call, as a session of one task."""

    def __init__(self, front: Front, context: Any) -> None:
        self._front, self._context = front, context
        self._task_id = ""
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Serve the call to its end."""
        first = await self._context.read()
        if first is EOF or first.WhichOneof("message") != "open":
            sentence = "open: must be the first message of Infer"
            await self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        opened, self._task_id = first.open, first.open.task_id
        hello = Request.Hello(edge_id=opened.edge_id, bundle_hash=opened.bundle_hash)
        client, owner = client_of(self._context), certified_name(self._context)
        try:
            session = self._front.join(hello, client, owner)
        except SessionError as error:
            await self._context.abort(error.code, str(error))
        session.edge.grant(time.monotonic_ns(), -1, 10_000)
        running = asyncio.create_task(session.run(self._read_from(opened), self._write))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            running.cancel()
            over.cancel()
            self._front.leave(session)

    def _read_from(self, opened: Any) -> Any:
        fields = {
            name: getattr(opened, name)
            for name in ("task_id", "codec", "payload_bytes", "accuracy", "budget_ns", "down_ns",
                         "exit_rule", "trace_id", "head")
        }  # fmt: skip
        if opened.HasField("reply_in_ns"):
            fields["reply_in_ns"] = opened.reply_in_ns
        waiting = [Request(open=Request.Open(**fields))]

        async def read() -> Any:
            if waiting:
                return waiting.pop()
            message = await self._context.read()
            if message is EOF:
                await self._over.wait()
                return EOF
            return Request(chunk=Request.Chunk(task_id=self._task_id, data=message.chunk))

        return read

    async def _write(self, encoded: bytes) -> None:
        for message in Reply.FromString(encoded).messages:
            kind = message.WhichOneof("message")
            if kind == "rejected":
                internal = message.rejected.internal
                code = grpc.StatusCode.INTERNAL if internal else grpc.StatusCode.INVALID_ARGUMENT
                await self._context.abort(code, message.rejected.reason)
            reply = cloud_pb2.InferReply()
            getattr(reply, kind).SetInParent()
            getattr(reply, kind).MergeFromString(getattr(message, kind).SerializeToString())
            reply.story.extend(serde.story_to_wire(serde.session_story_from_wire(message)))
            await self._context.write(reply)
            if kind in ENDS:
                self._over.set()
