"""How both daemons listen and connect: keepalive, bounded messages, no shared ports."""

from __future__ import annotations

import socket

import grpc

from mc_proto.serde import MAX_IMAGE_BYTES
from mc_sched.units import parse_address

MAX_MESSAGE_BYTES = MAX_IMAGE_BYTES + 2**20
"""The largest image and its constraints."""

_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
_SERVER = [
    *_KEEPALIVE,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
]
_CLIENT = [
    *_KEEPALIVE,
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # each channel gets a connection of its own: control messages never wait behind images
    ("grpc.use_local_subchannel_pool", 1),
]


def make_server() -> grpc.aio.Server:
    """A server with this project's options; it listens nowhere yet."""
    return grpc.aio.server(options=_SERVER)


def bind(server: grpc.aio.Server, address: str) -> int:
    """Listen on host:port (port 0: a free one); returns the port. OSError if it cannot be had."""
    refusal = OSError(f"cannot listen on {address}: the port is in use or the address is not ours")
    try:
        # grpc would say it in its own words on stderr as well
        host, port = parse_address(address)
        socket.create_server((host, port), family=_family(host)).close()
        return server.add_insecure_port(address)
    except (OSError, RuntimeError, ValueError):
        raise refusal from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def connect(address: str) -> grpc.aio.Channel:
    """A channel with a connection of its own."""
    return grpc.aio.insecure_channel(address, options=_CLIENT)
