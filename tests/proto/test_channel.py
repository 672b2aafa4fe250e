"""Servers and channels of the daemons, over real sockets on loopback."""

import contextlib
import socket

import grpc
import pytest
from mc_proto import channel
from mc_proto.channel import MAX_MESSAGE_BYTES, bind, connect, make_server
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

LOOPBACK = "127.0.0.1:0"
TIMEOUT_S = 10


class Echo(edge_pb2_grpc.EdgeAgentServicer):
    """Replies with the name of the caller and the size of the request."""

    async def Submit(self, request, context):  # noqa: N802 - the wire's name
        return edge_pb2.Outcome(reason=context.peer(), bytes_up=len(request.image))


@contextlib.asynccontextmanager
async def serving():
    server = make_server()
    edge_pb2_grpc.add_EdgeAgentServicer_to_server(Echo(), server)
    port = bind(server, LOOPBACK)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def submit(open_channel, image=b""):
    stub = edge_pb2_grpc.EdgeAgentStub(open_channel)
    return await stub.Submit(edge_pb2.Task(image=image), timeout=TIMEOUT_S, wait_for_ready=True)


async def test_port_zero_is_a_free_port_that_answers():
    async with serving() as address, connect(address) as to:
        assert int(address.rpartition(":")[2]) > 0
        assert (await submit(to, b"12345")).bytes_up == 5


async def test_a_port_in_use_is_an_error_that_names_the_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}: the port is in use"):
            bind(make_server(), address)


async def test_two_agents_never_share_a_port():
    """By default gRPC sets SO_REUSEPORT, and the second agent would get half of the calls."""
    async with serving() as address:
        with pytest.raises(OSError, match="in use"):
            bind(make_server(), address)


@pytest.mark.parametrize("address", ["192.0.2.1:7070", "127.0.0.1:x"])
async def test_an_address_of_another_host_is_an_error_that_names_it(address):
    with pytest.raises(OSError, match=f"cannot listen on {address}"):
        bind(make_server(), address)


async def test_the_largest_image_passes_and_a_larger_message_does_not():
    async with serving() as address, connect(address) as to:
        assert (await submit(to, bytes(8 * 2**20))).bytes_up == 8 * 2**20
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await submit(to, bytes(MAX_MESSAGE_BYTES))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await submit(to, b"1")).bytes_up == 1  # the connection is still good


async def test_every_channel_has_its_own_connection():
    async with serving() as address, connect(address) as data, connect(address) as control:
        peers = {(await submit(to)).reason for to in (data, control, data, control)}
    assert len(peers) == 2


@pytest.fixture
def options(monkeypatch):
    """Return the options that are passed to gRPC: {"server": ..., "client": ...}."""
    seen = {}
    monkeypatch.setattr(
        channel.grpc.aio, "server", lambda options, **_: seen.update(server=dict(options))
    )
    monkeypatch.setattr(
        channel.grpc.aio, "insecure_channel", lambda _, options: seen.update(client=dict(options))
    )
    make_server()
    connect(LOOPBACK)
    return seen


@pytest.mark.parametrize("end", ["server", "client"])
def test_both_ends_notice_a_dead_peer(options, end):
    assert options[end]["grpc.keepalive_time_ms"] == 10_000
    assert options[end]["grpc.keepalive_timeout_ms"] == 3_000
    assert options[end]["grpc.keepalive_permit_without_calls"] == 1


def test_a_client_never_pings_more_often_than_a_server_allows(options):
    allowed_ms = options["server"]["grpc.http2.min_ping_interval_without_data_ms"]
    assert options["client"]["grpc.keepalive_time_ms"] >= allowed_ms
    assert options["client"]["grpc.http2.max_pings_without_data"] == 0  # no limit


def test_a_lost_server_is_tried_again_within_a_second(options):
    assert options["client"]["grpc.max_reconnect_backoff_ms"] <= 1000
