"""The front's end of a pipe to a worker, on the front's event loop. It never blocks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from cloud_agent.pipe.frames import BadFrame, Frame, FrameReader

BUFFER_BYTES = 1 * 2**20
"""Wanted size of the socket's buffers; the kernel may give less."""
JOINED_BYTES = 64 * 2**10
"""Largest payload that is joined with its frame's start: a copy costs less than a second write."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the front's and the worker's end of a new pipe."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    ours.setblocking(False)
    return ours, theirs


class WorkerPipe(asyncio.BufferedProtocol):
    """Frames to and from one process."""

    def __init__(self, take: Callable[[Frame], None], on_lost: Callable[[str], None]) -> None:
        """`take` gets each frame and may raise BadFrame. `on_lost` is called once, with the reason.

        The reason is empty if the worker has closed its end.
        """
        self._take, self._on_lost = take, on_lost
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._lost = False

    @classmethod
    async def open(
        cls, ours: socket.socket, take: Callable[[Frame], None], on_lost: Callable[[str], None]
    ) -> WorkerPipe:
        """Return the pipe with this end."""
        loop = asyncio.get_running_loop()
        _, pipe = await loop.connect_accepted_socket(lambda: cls(take, on_lost), ours)
        return pipe

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the worker has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, start: bytes, payload: bytes = b"") -> None:
        """Send a frame; what the socket does not take at once waits here."""
        if self._transport is None or self._lost:
            return
        if len(payload) <= JOINED_BYTES:
            self._transport.write(start + payload)
        else:
            self._transport.write(start)
            self._transport.write(payload)

    def close(self) -> None:
        """Drop the connection and what waits in it."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self.close()
            self._on_lost(reason)

    # --- asyncio.BufferedProtocol -----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the place for the next bytes."""
        return self._reader.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Take the frames that have arrived."""
        try:
            for frame in self._reader.buffer_updated(nbytes):
                if self._lost:
                    return
                self._take(frame)
        except BadFrame as error:
            self._lose(f"it sent {error}")

    def eof_received(self) -> bool:
        """Close this end too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end."""
        self._lose("")
