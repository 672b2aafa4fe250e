"""One session: the loop that reads an edge's messages, the loop that writes to it, and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from cloud_agent.front.edges import Edge
from cloud_agent.front.intake import Intake
from cloud_agent.front.limits import SessionError
from cloud_agent.front.load import Load, encode_news
from cloud_agent.front.outbox import Outbox, Write
from cloud_agent.front.tasks import OpenTask

if TYPE_CHECKING:
    from cloud_agent.front.front import Front

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]
Read = Callable[[], Awaitable[Any]]
"""Reads the client's next message; EOF behind the last one."""
LOAD_INTERVAL_NS = 50_000_000
"""Least time between two reports of the load to one client, unless its credits change."""
FLUSH_S = 2.0
"""Longest wait for a client to read the last messages of a session that ends."""


class Session:
    """One client's session, from its `hello` to its end."""

    def __init__(self, front: Front, edge: Edge, client: str, now_ns: int) -> None:
        """`client` is the name by which quotas know it; `hello` arrived at `now_ns`."""
        self._front = front
        self.edge, self.client = edge, client
        self.tasks: dict[str, OpenTask] = {}
        """Its open tasks, by the edge's own ids."""
        self.upload_bytes = 0
        """Bytes of its unfinished payloads."""
        self.outbox = Outbox(self._news, self._overflowed, front.limits.unread_bytes)
        self.intake = Intake(front, self, now_ns)
        self._sent_credits = 0
        self._sent_load: Load | None = None
        self._reported_ns = 0
        self._half_closed = False
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, read: Read, write: Write) -> None:
        """Serve the session to its end; SessionError if the client is to blame for it."""
        loops = [
            asyncio.create_task(self._read_all(read)),
            asyncio.create_task(self.outbox.write_all(write)),
        ]
        for loop in loops:
            loop.add_done_callback(self._loop_ended)
        self.outbox.wake()
        try:
            await self._over
            self.outbox.finish()
            await asyncio.wait(loops[1:], timeout=FLUSH_S)
        finally:
            for loop in loops:
                loop.cancel()
            self.outbox.clear()

    def cut(self, reason: str) -> None:
        """End the session because of its client."""
        if not self._over.done():
            self._front.note_session(self, f"cut: {reason}", "warning")
            self._over.set_exception(SessionError(grpc.StatusCode.RESOURCE_EXHAUSTED, reason))

    def end_if_idle(self) -> None:
        """End the session if no task is open and the client or the agent wants to leave."""
        leaving = self._half_closed or self._front.draining
        if leaving and not self.tasks and not self._over.done():
            self._over.set_result(None)

    def refresh(self, now_ns: int) -> None:
        """Report the load if the client knows a different one."""
        if self._sent_load is None or self._front.load(now_ns).differs(self._sent_load):
            self.outbox.wake()

    async def _read_all(self, read: Read) -> None:
        while (request := await read()) is not EOF:
            pause_ns = self.intake.take(request, time.monotonic_ns())
            if pause_ns:
                await asyncio.sleep(pause_ns / 1e9)
        self.intake.close_uploads(time.monotonic_ns())
        self._half_closed = True
        self.end_if_idle()

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        fault = None if loop.cancelled() else loop.exception()
        if fault is not None and not self._over.done():
            self._over.set_exception(fault)

    def _news(self) -> bytes:
        """Return credits and load, encoded, if the client does not know them."""
        share, now_ns = self.edge.share, time.monotonic_ns()
        credits = share if share != self._sent_credits else None
        known = self._sent_load
        urgent = credits is not None or known is None or known.draining != self._front.draining
        if not urgent and now_ns - self._reported_ns < LOAD_INTERVAL_NS:
            return b""
        load, self._reported_ns = self._front.load(now_ns), now_ns
        if not urgent and load == known:
            return b""
        self._sent_credits, self._sent_load = share, load
        return encode_news(credits, load)

    def _overflowed(self) -> None:
        waiting = self.outbox.unread_bytes
        self.cut(f"{waiting} bytes of messages wait to be read, more than the limit of a session")
