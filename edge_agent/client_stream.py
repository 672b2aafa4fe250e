"""One client's stream: reads its tasks, and sends outcomes and credits.

Outcomes that end together share a reply. What a client can make the agent hold is bounded: its open
tasks by its credits, its unsent outcomes by not reading further tasks, and a client that does not
read its outcomes for some seconds is cut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

import grpc
from mc_proto import serde
from mc_proto.v1 import edge_pb2

from edge_agent.intake import Intake, Source
from edge_agent.submission import End, Submission
from mc_sched.core.task import Outcome, RefusalCode

MAX_UNSENT_BYTES = 64 * 1024
"""Outcomes that may wait to be sent; no further task is read while there are more."""
STALL_S = 10.0
"""Time without progress after which a client that does not read its outcomes is cut."""
PATIENCE = 64
"""Tasks in a row that a client may send without credit before its tasks are read more slowly."""
PAUSE_S = 0.002
"""Pause before each further task of such a client."""
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]


class Call(Protocol):
    """A call with its messages, as the server sees it."""

    def read(self) -> Awaitable[Any]:
        """Return the next request, or EOF."""

    def write(self, message: edge_pb2.StreamReply) -> Awaitable[None]:
        """Send a reply."""


class Cut(Exception):
    """The client does not read its outcomes."""


class ClientStream:
    """Serves one Stream call."""

    def __init__(
        self,
        call: Call,
        intake: Intake,
        source: Source,
        labels: Sequence[str],
        traceparent: str = "",
    ) -> None:
        """`traceparent` is the trace of all tasks that name none of their own."""
        self._call, self._intake, self._source, self._labels = call, intake, source, labels
        self._traceparent = traceparent
        self._open: set[Submission] = set()
        self._unsent: list[edge_pb2.Outcome] = []
        self._unsent_bytes = 0
        self._wake, self._sent = asyncio.Event(), asyncio.Event()
        self._granted = 0
        """Credits that the client has been sent."""
        self._in_a_row = 0
        """Tasks without credit since the last one with credit."""
        self._all_read = False

    async def serve(self) -> None:
        """Serve until the client has sent all its tasks and has all outcomes. Raises Cut."""
        reader = asyncio.ensure_future(self._read_all())
        writer = asyncio.ensure_future(self._write_all())
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_EXCEPTION)
            for job in (reader, writer):
                if job.done():
                    job.result()
        finally:
            reader.cancel()
            writer.cancel()
            for submission in tuple(self._open):
                self._intake.leave(submission)

    # --- tasks ------------------------------------------------------------------------------

    async def _read_all(self) -> None:
        while (request := await self._call.read()) is not EOF:
            self._take(request)
            if self._unsent_bytes > MAX_UNSENT_BYTES:
                await self._until_sent()
            elif self._in_a_row > PATIENCE:
                await asyncio.sleep(PAUSE_S)
        self._all_read = True
        self._wake.set()

    def _take(self, request: edge_pb2.Task) -> None:
        submission: Submission | None = None

        def ended(end: End) -> None:
            if submission is not None:
                self._open.discard(submission)
            if end is not None:
                self._send(request, end)

        submission = self._intake.take(self._source, request, ended, self._traceparent)
        if submission is not None and submission.open:
            self._open.add(submission)

    async def _until_sent(self) -> None:
        """Wait until the outcomes have been sent, or cut a client that does not read them."""
        while self._unsent_bytes > MAX_UNSENT_BYTES:
            self._sent.clear()
            try:
                await asyncio.wait_for(self._sent.wait(), STALL_S)
            except asyncio.TimeoutError:
                raise Cut(
                    f"the client has not read its outcomes for {STALL_S:.0f} s, and "
                    f"{len(self._unsent)} wait"
                ) from None

    # --- outcomes ---------------------------------------------------------------------------

    def _send(self, request: edge_pb2.Task, end: Outcome | serde.BadField) -> None:
        if isinstance(end, Outcome):
            message = serde.outcome_to_wire(end, self._labels)
            without_credit = end.refusal is RefusalCode.NO_CREDIT
            self._in_a_row = self._in_a_row + 1 if without_credit else 0
        else:
            message = serde.bad_input_to_wire(request, request.task_id, end)
        self._unsent.append(message)
        self._unsent_bytes += message.ByteSize()
        self._wake.set()

    async def _write_all(self) -> None:
        self._wake.set()  # the credits come first
        while self._unsent or self._open or not self._all_read:
            await self._wake.wait()
            self._wake.clear()
            reply = self._reply()
            if reply is not None:
                await self._call.write(reply)
                self._source.sent(time.monotonic_ns())
                self._sent.set()

    def _reply(self) -> edge_pb2.StreamReply | None:
        """Return what is to be sent now; None if that is nothing."""
        credits = self._intake.grant(self._source)
        changed = credits != self._granted
        if not self._unsent and not changed:
            return None
        reply = edge_pb2.StreamReply(outcomes=self._unsent, credits=credits if changed else None)
        self._granted = credits
        self._unsent, self._unsent_bytes = [], 0
        return reply
