"""The worker's end of the pipe: frames in, frames out, from several threads."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

from cloud_agent.pipe.frames import Frame, FrameReader
from cloud_agent.pipe.messages import lines_frame

LINES_BYTES = 64 * 2**10
"""Log lines in one frame; messages for the edges pass between two such frames."""
LINES_PATIENCE_MS = 1000
"""Longest wait of log lines for a front that does not read; then they are dropped."""


class PipeEnd:
    """The worker's socket. Reads on one thread, sends from any."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._connection = connection
        self._reader = FrameReader()
        self._sending = threading.Lock()

    def read(self) -> list[Frame] | None:
        """Wait for bytes and return the frames that they complete; None if the front is gone."""
        try:
            count = self._connection.recv_into(self._reader.get_buffer())
        except OSError:
            return None
        return self._reader.buffer_updated(count) if count else None

    def send(self, frame: bytes) -> None:
        """Send a frame; wait while the front does not read. Does nothing if the front is gone."""
        try:
            with self._sending:
                self._connection.sendall(frame)
        except OSError:
            return  # `read` ends the process

    def accepts(self, patience_ms: int) -> bool:
        """Wait until the socket has room for more; return False if it has none in this time."""
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT)
        return bool(poll.poll(patience_ms))


class LineSender:
    """Sink of the worker's event log: sends its lines to the front, which writes them."""

    def __init__(self, pipe: PipeEnd, dropped: Callable[[], int]) -> None:
        """`dropped` returns the number of lines that were lost since the start."""
        self._pipe, self._dropped = pipe, dropped

    def append(self, lines: Sequence[bytes]) -> bool:
        """Send the lines; return False, and send none, while the front does not read."""
        if not self._pipe.accepts(LINES_PATIENCE_MS):
            return False
        for part in _parts(lines):
            self._pipe.send(lines_frame(part, self._dropped()))
        return True

    def close(self) -> None:
        """Tell the front how many lines were lost in all."""
        self._pipe.send(lines_frame((), self._dropped()))


def _parts(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split the lines into parts of at most LINES_BYTES, or of one longer line."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) > LINES_BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part
