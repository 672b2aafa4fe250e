"""Mutual TLS 1.3 over real sockets: who can connect, and the message of each refusal."""

import contextlib
import ssl
import subprocess
import sys
from datetime import timedelta

import grpc
import pytest
from mc_proto.channel import bind, connect, make_server
from mc_proto.gate import Gate, certified_name, client_of
from mc_proto.tls import Identity, load_identity
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched import certs

TIMEOUT_S = 10


class Echo(edge_pb2_grpc.EdgeAgentServicer):
    """Replies with the name of the caller."""

    async def Submit(self, request, context):  # noqa: N802 - the wire's name
        return edge_pb2.Outcome(reason=client_of(context))

    async def Watch(self, request, context):  # noqa: N802
        yield edge_pb2.Event(json=certified_name(context))


@pytest.fixture(scope="module", autouse=True)
def environment():
    """A server with TLS raises gRPC's log level, which no process of a later test may inherit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRPC_VERBOSITY", "INFO")
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A server and several clients, by name; `alien` has another authority."""
    directory, elsewhere = (tmp_path_factory.mktemp(name) for name in ("certs", "elsewhere"))
    certs.make_authority(directory)
    certs.make_authority(elsewhere)
    folders = {
        "server": certs.make_node(directory, "server", ["127.0.0.1"]),
        "robot": certs.make_node(directory, "robot", []),
        "stranger": certs.make_node(directory, "stranger", []),
    }
    found = {name: load_identity(folder) for name, folder in folders.items()}
    alien = load_identity(certs.make_node(elsewhere, "robot", []))
    found["alien"] = Identity(found["server"].ca, alien.cert, alien.key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certs, "CLOCK_SLACK", timedelta(days=3))
        folder = certs.make_node(directory, "late", [], days=-1)
    pems = [(folder / name).read_bytes() for name in ("ca.crt", "node.crt", "node.key")]
    found["expired"] = Identity(*pems)
    return found


@contextlib.asynccontextmanager
async def serving(identity, **gate):
    server = make_server(Gate(**gate))
    edge_pb2_grpc.add_EdgeAgentServicer_to_server(Echo(), server)
    port = bind(server, "127.0.0.1:0", identity)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def submit(channel):
    stub = edge_pb2_grpc.EdgeAgentStub(channel)
    return (await stub.Submit(edge_pb2.Task(), timeout=TIMEOUT_S)).reason


async def certified(channel):
    watch = edge_pb2_grpc.EdgeAgentStub(channel).Watch(edge_pb2.WatchRequest(), timeout=TIMEOUT_S)
    return (await watch.read()).json


async def test_a_client_is_known_by_the_name_on_its_certificate(people):
    async with serving(people["server"]) as address, connect(address, people["robot"]) as to:
        assert (await submit(to), await certified(to)) == ("robot", "robot")


async def test_without_certificates_it_is_known_by_its_host():
    async with serving(None) as address, connect(address) as to:
        assert (await submit(to), await certified(to)) == ("127.0.0.1", "")


@pytest.mark.parametrize(
    ("who", "says"),
    [
        ("alien", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("nobody", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
    ],
)
async def test_others_are_refused_in_the_handshake_and_the_log_has_the_reason(
    people, who, says, capfd
):
    async with serving(people["server"]) as address:
        if who == "nobody":
            to = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(people["robot"].ca))
        else:
            to = connect(address, people[who])
        async with to:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await submit(to)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert says in capfd.readouterr().err


async def test_plain_text_is_refused(people):
    async with serving(people["server"]) as address, connect(address) as to:
        with pytest.raises(grpc.aio.AioRpcError):
            await submit(to)


async def test_a_name_that_is_not_allowed_is_denied_and_the_log_names_it(people, caplog):
    async with serving(people["server"], allowed=["robot"]) as address:
        async with connect(address, people["robot"]) as to:
            assert await submit(to) == "robot"
        async with connect(address, people["stranger"]) as to:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await submit(to)
            watch = edge_pb2_grpc.EdgeAgentStub(to).Watch(edge_pb2.WatchRequest())
            with pytest.raises(grpc.aio.AioRpcError) as also:
                await watch.read()
    for error in (refused, also):
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "tls.allow" in error.value.details()
    assert "stranger was refused" in caplog.text


async def test_a_client_does_not_accept_another_node_as_its_server(people):
    """The certificate is valid, but for another host."""
    async with serving(people["robot"]) as address, connect(address, people["stranger"]) as to:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submit(to)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


SERVE = """
import asyncio, sys
from pathlib import Path
from mc_proto.channel import bind, make_server
from mc_proto.tls import Identity

async def serve():
    server = make_server()
    identity = Identity(*(Path(p).read_bytes() for p in sys.argv[1:]))
    print(bind(server, "127.0.0.1:0", identity), flush=True)
    await server.start()
    await asyncio.sleep(60)

asyncio.run(serve())
"""


def test_tls_1_3_and_nothing_older(people, tmp_path):
    """Uses another process, since gRPC reads its ciphers only when it is first imported."""
    files = []
    for name in ("ca", "cert", "key"):
        files.append(tmp_path / name)
        files[-1].write_bytes(getattr(people["server"], name))
    command = [sys.executable, "-c", SERVE, *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            port = int(server.stdout.readline())
            assert handshake(port, ssl.TLSVersion.TLSv1_3, tmp_path, people) == "TLSv1.3"
            with pytest.raises(OSError):  # noqa: PT011 - how it is cut off depends on the moment
                handshake(port, ssl.TLSVersion.TLSv1_2, tmp_path, people)
        finally:
            server.kill()


def handshake(port, version, tmp_path, people):
    """Return the version that is negotiated with a client that has no newer one."""
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = version
    context.load_verify_locations(cadata=people["robot"].ca.decode())
    (tmp_path / "robot.pem").write_bytes(people["robot"].key + people["robot"].cert)
    context.load_cert_chain(tmp_path / "robot.pem")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.version()
