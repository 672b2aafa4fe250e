"""A TCP relay that makes a fast link behave like a slow one.

    client <-> listener [ up: Direction ] [ down: Direction ] <-> target

All connections share the two directions. The relay shapes the bytes of connections; the handshake
of a new connection is not delayed.
"""

import asyncio
import errno
import socket
import time
from dataclasses import dataclass
from typing import Literal

from mc_sched.errors import UserError
from mc_sched.link.connection import relay_connection, set_reset_on_close
from mc_sched.link.direction import Direction
from mc_sched.link.model import LinkSpec
from mc_sched.units import format_address

CutMode = Literal["blackhole", "reset"]

_BACKLOG = 128
# A real sender notices that its link is full; large socket buffers in the relay would hide that.
_RECEIVE_BUFFER_BYTES = 64 * 1024
# With the loopback's segments of 64 KiB such a buffer would hold less than two segments.
_SEGMENT_BYTES = 1460


@dataclass(frozen=True)
class RelayStats:
    """Traffic of the link so far."""

    up_bytes: int
    down_bytes: int
    connections: int  # number of connections opened


class Relay:
    """Relays connections over an emulated link; changes act at once on open connections."""

    def __init__(self, spec: LinkSpec) -> None:
        self._spec = spec
        self._start_ns = time.monotonic_ns()
        self._up = Direction(spec.uplink(self._start_ns))
        self._down = Direction(spec.downlink(self._start_ns))
        self._passing = asyncio.Event()
        self._passing.set()
        self._listen_at = ("", 0)
        self._target = ("", 0)
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        self._opened = 0

    @property
    def spec(self) -> LinkSpec:
        """The emulated link."""
        return self._spec

    @property
    def stats(self) -> RelayStats:
        """Bytes delivered by the link, and connections opened."""
        return RelayStats(self._up.delivered_bytes, self._down.delivered_bytes, self._opened)

    async def start(
        self, listen_host: str, listen_port: int, target_host: str, target_port: int
    ) -> int:
        """Listen and return the port; port 0 takes a free one. Outages count from this call.

        Raises UserError if the address cannot be used.
        """
        self._target = (target_host, target_port)
        self._listen_at = (listen_host, listen_port)
        self._start_ns = time.monotonic_ns()
        self.set_spec(self._spec)
        port = self._listen()
        self._listen_at = (listen_host, port)
        return port

    async def close(self) -> None:
        """Stop listening and reset the open connections."""
        ended = self._drop_connections()
        ended += self._stop_listening()
        await asyncio.gather(*ended, return_exceptions=True)
        self._up.close()
        self._down.close()

    def set_spec(self, spec: LinkSpec) -> None:
        """Change rates, delay, jitter and outages; outages still count from `start`."""
        self._spec = spec
        self._up.reshape(spec.uplink(self._start_ns))
        self._down.reshape(spec.downlink(self._start_ns))

    def cut(self, mode: CutMode = "blackhole") -> None:
        """Break the link.

        blackhole: no byte passes; open connections stall, new ones are accepted but stay silent.
        reset: open connections are reset, new ones are refused.
        """
        self._passing.clear()
        self._up.cut()
        self._down.cut()
        if mode == "reset":
            self._drop_connections()
            self._stop_listening()

    def restore(self) -> None:
        """Undo `cut`. Raises UserError if another program has taken the port."""
        if self._listener is None:
            self._listen()
        self._passing.set()
        self._up.restore()
        self._down.restore()

    def _listen(self) -> int:
        self._listener = _open_listener(*self._listen_at)
        self._accepting = asyncio.ensure_future(self._accept(self._listener))
        port: int = self._listener.getsockname()[1]
        return port

    def _stop_listening(self) -> list["asyncio.Task[None]"]:
        if self._listener is None or self._accepting is None:
            return []
        asyncio.get_running_loop().remove_reader(self._listener)
        self._accepting.cancel()
        self._listener.close()
        self._listener = None
        return [self._accepting]

    def _drop_connections(self) -> list["asyncio.Task[None]"]:
        for task, client in self._connections.items():
            set_reset_on_close(client)
            task.cancel()
        return list(self._connections)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # the client has left, or no file descriptor is free
                await asyncio.sleep(0.01)
                continue
            task = asyncio.ensure_future(self._serve(client))
            self._connections[task] = client
            task.add_done_callback(self._retire)

    def _retire(self, task: "asyncio.Task[None]") -> None:
        self._connections.pop(task).close()

    async def _serve(self, client: socket.socket) -> None:
        """Connect to the target and relay; if that fails, reset the client."""
        try:
            await self._passing.wait()
            target = await _connect(*self._target)
        except (OSError, asyncio.CancelledError):
            set_reset_on_close(client)
            return
        with target:
            self._opened += 1
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await relay_connection(client, target, self._up, self._down)


def _new_socket(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; accepted ones inherit its buffer and segment sizes."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = _new_socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UserError(_listen_error(error, format_address(host, port))) from None
    return listener


def _listen_error(error: OSError, address: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: the port is in use; choose another one"
    return f"cannot listen on {address}: {error.strerror}; choose an address of this machine"


async def _connect(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sock = _new_socket(found[0][0])
    try:
        await loop.sock_connect(sock, found[0][4])
    except BaseException:
        sock.close()
        raise
    return sock
