"""The relay over real loopback sockets, with wide tolerances for slow machines."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mc_sched.errors import UserError
from mc_sched.link.model import KINDS, LinkSpec, Unlimited, mbps
from mc_sched.link.relay import Relay
from mc_sched.link.session import apply_control_line

HOST = "127.0.0.1"
IDEAL = KINDS["ideal"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read to the end and answer with the number of bytes."""
    size_bytes = 0
    while data := await reader.read(65536):
        size_bytes += len(data)
    writer.write(str(size_bytes).encode())
    writer.close()


@contextlib.asynccontextmanager
async def relayed(spec: LinkSpec, handler: Handler) -> AsyncIterator[tuple[Relay, int]]:
    """Start a server and a relay in front of it; yield the relay and its port."""
    server = await asyncio.start_server(handler, HOST, 0)
    relay = Relay(spec)
    port = await relay.start(HOST, 0, HOST, server.sockets[0].getsockname()[1])
    try:
        yield relay, port
    finally:
        await relay.close()
        server.close()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ping(streams: Streams, message: bytes = b"ping") -> float:
    """Seconds until the echo is back."""
    start_s = time.monotonic()
    streams[1].write(message)
    assert await asyncio.wait_for(streams[0].readexactly(len(message)), 5) == message
    return time.monotonic() - start_s


async def upload(port: int, size_bytes: int) -> float:
    """Seconds until `count` has seen all bytes."""
    async with connected(port) as (reader, writer):
        start_s = time.monotonic()
        writer.write(bytes(size_bytes))
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 20) == str(size_bytes).encode()
        return time.monotonic() - start_s


async def test_bytes_arrive_unchanged_and_are_counted() -> None:
    message = bytes(range(256)) * 2000
    async with relayed(IDEAL, echo) as (relay, port), connected(port) as streams:
        await ping(streams, message)
        stats = relay.stats
        assert (stats.up_bytes, stats.down_bytes) == (len(message), len(message))
        assert stats.connections == 1


async def test_an_upload_takes_its_time_at_the_rate() -> None:
    async with relayed(KINDS["wifi"], count) as (_, port):
        wanted_s = 200_000 * 8 / 18.88e6 + 0.010
        assert 0.9 * wanted_s < await upload(port, 200_000) < 2 * wanted_s


async def test_connections_share_the_rate() -> None:
    spec = LinkSpec(up=mbps(16), down=Unlimited())
    async with relayed(spec, count) as (_, port):
        start_s = time.monotonic()
        await asyncio.gather(*(upload(port, 100_000) for _ in range(3)))
        assert 0.9 * 0.15 < time.monotonic() - start_s < 0.3


async def test_a_ping_takes_the_round_trip() -> None:
    spec = replace(IDEAL, rtt_ns=40_000_000)
    async with relayed(spec, echo) as (_, port), connected(port) as streams:
        pings_s = sorted([await ping(streams) for _ in range(5)])
        assert 0.037 < pings_s[2] < 0.060


async def test_a_small_message_does_not_wait_behind_an_image() -> None:
    spec = LinkSpec(up=mbps(4), down=Unlimited())
    async with (
        relayed(spec, echo) as (_, port),
        connected(port) as bulk,
        connected(port) as control,
    ):
        await ping(control)
        bulk[1].write(bytes(400_000))  # 800 ms of the uplink
        await asyncio.sleep(0.1)
        assert await ping(control) < 0.1


async def test_a_server_that_does_not_read_stops_the_reading() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.transport.abort()

    async with relayed(LinkSpec(up=mbps(1), down=Unlimited()), deaf) as (_, port):
        with socket.create_connection((HOST, port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.sock_sendall(sock, bytes(4_000_000)), 0.3)


async def test_half_close_passes() -> None:
    async with relayed(IDEAL, count) as (_, port):
        assert await upload(port, 5) < 5


async def test_a_reset_of_the_server_reaches_the_client() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with relayed(IDEAL, refuse) as (_, port), connected(port) as (reader, writer):
        writer.write(b"xx")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)


async def test_a_target_that_does_not_listen_resets_the_client() -> None:
    with socket.create_server((HOST, 0)) as unused:
        target_port = unused.getsockname()[1]
    relay = Relay(IDEAL)
    port = await relay.start(HOST, 0, HOST, target_port)
    async with connected(port) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
    await relay.close()


async def test_a_black_hole_stalls_until_it_is_restored() -> None:
    async with relayed(IDEAL, echo) as (relay, port), connected(port) as old:
        await ping(old)
        relay.cut()
        async with connected(port) as new:
            for streams in (old, new):
                streams[1].write(b"late")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(old[0].read(4), 0.15)
            relay.restore()
            for streams in (old, new):
                assert await asyncio.wait_for(streams[0].readexactly(4), 5) == b"late"


async def test_a_cut_by_reset_resets_open_connections_and_refuses_new_ones() -> None:
    async with relayed(IDEAL, echo) as (relay, port):
        async with connected(port) as old:
            await ping(old)
            relay.cut("reset")
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(old[0].read(), 5)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)
        relay.restore()
        async with connected(port) as new:
            await ping(new)


async def test_a_black_hole_can_become_a_reset() -> None:
    async with relayed(IDEAL, echo) as (relay, port), connected(port) as streams:
        await ping(streams)
        relay.cut()
        relay.cut("reset")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].read(), 5)


async def test_the_link_can_change_while_bytes_wait() -> None:
    async with relayed(LinkSpec(up=mbps(0.1), down=Unlimited()), count) as (relay, port):
        running = asyncio.ensure_future(upload(port, 100_000))
        await asyncio.sleep(0.1)
        relay.set_spec(IDEAL)
        assert await running < 5


async def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"{HOST}:{port}: the port is in use") as caught:
            await Relay(IDEAL).start(HOST, port, HOST, 1)
    assert caught.value.exit_code == 1


async def test_control_lines(tmp_path: Path) -> None:
    async with relayed(IDEAL, echo) as (relay, port):
        assert apply_control_line(relay, "kind 3g") == "link is now 3g"
        assert relay.spec.rtt_ns == KINDS["3g"].rtt_ns
        assert apply_control_line(relay, "cut") == "link cut"
        assert apply_control_line(relay, "cut reset") == "link cut, connections reset"
        assert apply_control_line(relay, "restore") == "link restored"
        assert apply_control_line(relay, "kind 9g").startswith("unknown control line 'kind 9g'")
        traces = [tmp_path / "a.up", tmp_path / "a.down"]
        for trace, text in zip(traces, ("1\n2\n", "2\n4\n"), strict=True):
            trace.write_text(text)
        assert apply_control_line(relay, f"trace {traces[0]} {traces[1]}").startswith(
            "link follows"
        )
        assert (relay.spec.up.mean_bps, relay.spec.down.mean_bps) == (12e6, 6e6)
        assert relay.spec.rtt_ns == KINDS["3g"].rtt_ns
        assert "cannot read the trace" in apply_control_line(
            relay, f"trace {tmp_path / 'missing'} {traces[1]}"
        )
        apply_control_line(relay, "kind ideal")
        async with connected(port) as streams:
            await ping(streams)
