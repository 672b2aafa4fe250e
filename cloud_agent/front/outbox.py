"""Messages on their way to one client: joined into as few writes as possible, and bounded.

Encoded SessionReplies can be concatenated: the result is one valid SessionReply with the messages
of all of them, in order (protobuf's rule for repeated fields).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

WRITE_BYTES = 2**17
"""Bytes after which no further message joins a write."""

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

    async def write_all(self, write: Write) -> None:
        """Write what is posted, until `finish`."""
        while not self._finishing:
            await self._filled.wait()
            self._filled.clear()
            while (news := self._news()) or self._replies:
                replies = self._some()
                await write(news + replies)
                self.unread_bytes -= len(replies)

    def _some(self) -> bytes:
        """Return the messages that wait, as many as one write takes."""
        if len(self._replies) == 1:
            return self._replies.popleft()
        parts, size = [], 0
        while self._replies and size < WRITE_BYTES:
            parts.append(self._replies.popleft())
            size += len(parts[-1])
        return b"".join(parts)
