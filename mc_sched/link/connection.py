"""One relayed connection: two sockets, and a reader and a writer per direction."""

import asyncio
import contextlib
import socket
import struct
from collections import deque

from mc_sched.link.direction import Direction, Item, Lane, Signal

_READ_BYTES = 16 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


class Outbox:
    """Items that have crossed the link and wait to be written to a socket."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add one item."""
        self._items.append(item)
        self._filled.set()

    async def take(self) -> Item:
        """Return the next signal, or all bytes before it in one piece."""
        await self._filled.wait()
        item = self._items.popleft()
        if isinstance(item, bytes):
            pieces = [item]
            while self._items and isinstance(piece := self._items[0], bytes):
                pieces.append(piece)
                self._items.popleft()
            item = b"".join(pieces)
        if not self._items:
            self._filled.clear()
        return item


class Half:
    """One direction of one connection, from the socket `source` to the socket `sink`."""

    def __init__(
        self,
        direction: Direction,
        source: socket.socket,
        sink: socket.socket,
        broken: asyncio.Event,
    ) -> None:
        self._direction = direction
        self._source = source
        self._sink = sink
        self._broken = broken
        self._outbox = Outbox()
        self._lane = Lane(self._deliver)

    def send_reset(self) -> None:
        """Send a reset in this direction."""
        self._direction.offer(self._lane, Signal.RESET)

    def discard(self) -> None:
        """Drop the bytes that are still on the link."""
        self._direction.discard(self._lane)

    def _deliver(self, item: Item) -> None:
        if item is Signal.RESET:
            self._broken.set()
        else:
            self._outbox.put(item)

    async def read(self) -> None:
        """Carry bytes from the source to the link until the source ends or fails."""
        loop = asyncio.get_running_loop()
        self._lane.update_gate()
        while True:
            await self._lane.may_read.wait()
            try:
                data = await loop.sock_recv(self._source, _READ_BYTES)
            except OSError:
                return self.send_reset()
            self._direction.offer(self._lane, data or Signal.END)
            if not data:
                return None

    async def write(self, opposite: "Half") -> None:
        """Carry bytes from the link to the sink; if the sink fails, a reset is sent back."""
        while True:
            item = await self._outbox.take()
            try:
                await self._write_item(item)
            except OSError:
                return opposite.send_reset()
            if item is Signal.END:
                return None

    async def _write_item(self, item: Item) -> None:
        if isinstance(item, Signal):
            self._sink.shutdown(socket.SHUT_WR)
            return
        await asyncio.get_running_loop().sock_sendall(self._sink, item)
        self._lane.unwritten_bytes -= len(item)
        self._lane.update_gate()


async def relay_connection(
    client: socket.socket, target: socket.socket, up: Direction, down: Direction
) -> None:
    """Relay until both ends have closed; a reset or a cancellation resets both ends."""
    broken = asyncio.Event()
    halves = (Half(up, client, target, broken), Half(down, target, client, broken))
    work = [half.read() for half in halves]
    work += [half.write(opposite) for half, opposite in (halves, halves[::-1])]
    carried: asyncio.Future[object] = asyncio.ensure_future(asyncio.gather(*work))
    reset: asyncio.Future[object] = asyncio.ensure_future(broken.wait())
    try:
        await asyncio.wait({carried, reset}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not carried.done() or broken.is_set():
            set_reset_on_close(client)
            set_reset_on_close(target)
        for half in halves:
            half.discard()
        carried.cancel()
        reset.cancel()
        await asyncio.gather(carried, reset, return_exceptions=True)


def set_reset_on_close(sock: socket.socket) -> None:
    """Make `close` send a reset (RST)."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
