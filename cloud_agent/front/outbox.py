"""Messages on their way to one client: joined into as few writes as possible, and bounded.

Encoded SessionReplies can be concatenated: the result is one valid SessionReply with the messages
of all of them, in order (protobuf's rule for repeated fields).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

WRITE_BYTES = 2**17
"""Bytes after which no further message joins a write."""
GAP_NS = 1_000_000
"""Least time between two writes under load; a message that finds the session idle goes at once.

A write costs this process about 75 us, as much as everything else about a refused task."""

Write = Callable[[bytes], Awaitable[None]]
"""Sends one encoded SessionReply; returns when the transport has room for another."""


class Outbox:
    """The queue of one session, and the loop that writes it."""

    def __init__(
        self, news: Callable[[], bytes], overflowed: Callable[[], None], limit_bytes: int
    ) -> None:
        """`news` returns an encoded SessionReply with credits and load, or nothing if both are
        known to the client. `overflowed` is called when more than `limit_bytes` wait.
        """
        self._news, self._overflowed, self._limit_bytes = news, overflowed, limit_bytes
        self._replies: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._finishing = False
        self.unread_bytes = 0
        """Bytes that wait, those that are being written included."""

    def post(self, reply: bytes) -> None:
        """Queue an encoded SessionReply."""
        self._replies.append(reply)
        self.unread_bytes += len(reply)
        self._filled.set()
        if self.unread_bytes > self._limit_bytes:
            self._overflowed()

    def wake(self) -> None:
        """Write the news soon, even if no message waits."""
        self._filled.set()

    def finish(self) -> None:
        """Let `write_all` return when it has written everything."""
        self._finishing = True
        self._filled.set()

    def clear(self) -> None:
        """Drop what waits, as nobody will read it."""
        self._replies.clear()

    async def write_all(self, write: Write) -> None:
        """Write what is posted, until `finish`."""
        written_ns = 0
        while self._replies or not self._finishing:
            await self._filled.wait()
            gap_ns = written_ns + GAP_NS - time.monotonic_ns()
            if gap_ns > 0:
                await asyncio.sleep(gap_ns / 1e9)
            news = self._news()
            replies = self._some()
            if not self._replies and not self._finishing:
                self._filled.clear()
            if news or replies:
                await write(news + replies)
                self.unread_bytes -= len(replies)
                written_ns = time.monotonic_ns()

    def _some(self) -> bytes:
        """Return the messages that wait, as many as one write takes."""
        if len(self._replies) == 1:
            return self._replies.popleft()
        parts, size = [], 0
        while self._replies and size < WRITE_BYTES:
            parts.append(self._replies.popleft())
            size += len(parts[-1])
        return b"".join(parts)
