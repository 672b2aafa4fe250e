"""Servers and channels of both daemons: keepalive, message limits, exclusive ports, TLS."""

from __future__ import annotations

import socket

import grpc

from mc_proto.gate import Gate
from mc_proto.serde import MAX_IMAGE_BYTES
from mc_proto.tls import Identity, channel_credentials, server_credentials
from mc_sched.units import parse_address

MAX_MESSAGE_BYTES = MAX_IMAGE_BYTES + 2**20
"""Largest message of an edge agent: the largest image and its constraints."""
MAX_CHUNK_BYTES = 2**18
"""Largest message that a cloud agent accepts: a chunk of a payload, or a padded probe."""
UNREAD_BYTES = 2**18
"""Bytes of one call that a client may have under way to a server. gRPC would estimate a window from
the link's rate and round trip, but the bytes that wait in the link's own buffers lengthen the round
trip. A slow link then held 1.5 MB of an upload that was given up."""
CALLS_PER_CONNECTION = 1024
"""Limit of open calls per connection; gRPC has none by default."""

_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
_SERVER = [
    *_KEEPALIVE,
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_concurrent_streams", CALLS_PER_CONNECTION),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
]
_CLIENT = [
    *_KEEPALIVE,
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # each channel has its own connection, so that control messages never wait behind images
    ("grpc.use_local_subchannel_pool", 1),
]


def make_server(
    gate: Gate | None = None, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> grpc.aio.Server:
    """Make a server with this project's options, which does not listen yet.

    It offers no reflection, since clients have the protocol.
    """
    options = [*_SERVER, ("grpc.max_receive_message_length", max_message_bytes)]
    return grpc.aio.server(interceptors=[gate or Gate()], options=options)


def bind(server: grpc.aio.Server, address: str, identity: Identity | None = None) -> int:
    """Listen on host:port (port 0: any free port) and return the port; OSError if that fails.

    With an `identity`, only clients with a certificate of the same authority can connect.
    """
    refusal = OSError(
        f"cannot listen on {address}: the port is in use, or this host does not have the address"
    )
    try:
        # try the port first, since grpc would also print its own error to stderr
        host, port = parse_address(address)
        socket.create_server((host, port), family=_family(host)).close()
        if identity is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, server_credentials(identity))
    except (OSError, RuntimeError, ValueError):
        raise refusal from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def connect(address: str, identity: Identity | None = None) -> grpc.aio.Channel:
    """Make a channel with its own connection; with an `identity`, over mutual TLS."""
    if identity is None:
        return grpc.aio.insecure_channel(address, options=_CLIENT)
    return grpc.aio.secure_channel(address, channel_credentials(identity), options=_CLIENT)
