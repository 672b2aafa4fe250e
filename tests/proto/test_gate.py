"""Limits on the calls of one client, and on slow senders."""

import asyncio
import contextlib

import grpc
import pytest
from mc_proto.channel import bind, connect, make_server
from mc_proto.gate import Gate
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

TIMEOUT_S = 10


class Patient(edge_pb2_grpc.EdgeAgentServicer):
    """Replies when the test permits it."""

    def __init__(self):
        self.may_answer = asyncio.Event()

    async def Submit(self, request, context):  # noqa: N802 - the wire's name
        await self.may_answer.wait()
        return edge_pb2.Outcome(task_id=request.task_id)


@contextlib.asynccontextmanager
async def serving(gate):
    server, servicer = make_server(gate), Patient()
    edge_pb2_grpc.add_EdgeAgentServicer_to_server(servicer, server)
    port = bind(server, "127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield channel, servicer
    finally:
        await server.stop(None)


def submit(channel, task_id=""):
    stub = edge_pb2_grpc.EdgeAgentStub(channel)
    return stub.Submit(edge_pb2.Task(task_id=task_id), timeout=TIMEOUT_S)


async def test_one_client_cannot_have_every_call():
    async with serving(Gate(calls_per_client=2)) as (channel, servicer):
        held = [submit(channel, name) for name in "ab"]
        await asyncio.sleep(0.1)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submit(channel, "c")
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (
            refused.value.details()
            == "overload: 127.0.0.1 has 2 calls open already, the limit per client"
        )
        servicer.may_answer.set()
        assert [(await call).task_id for call in held] == ["a", "b"]
        assert (await submit(channel, "c")).task_id == "c"


async def test_a_slow_sender_is_cut_off(caplog):
    """The call is open, but its request message does not arrive."""
    async with serving(Gate(upload_s=0.2)) as (channel, _):
        call = channel.stream_unary("/mc.v1.EdgeAgent/Submit")(timeout=TIMEOUT_S)
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            await call
    assert cut.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert cut.value.details() == "the request took longer than 0.2 s to arrive"
    assert "127.0.0.1 was cut off" in caplog.text


async def test_a_call_without_a_message_is_an_error():
    async with serving(Gate()) as (channel, _):
        call = channel.stream_unary("/mc.v1.EdgeAgent/Submit")(timeout=TIMEOUT_S)
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_reflection_is_off():
    async with serving(Gate()) as (channel, _):
        for version in ("v1", "v1alpha"):
            method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            call = channel.stream_stream(method)(timeout=TIMEOUT_S)
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_quota_forgets_clients_that_have_nothing_open():
    quota = Quota(1, "tasks")
    refused = pytest.raises(
        QuotaExceeded, match="overload: robot has 1 tasks open already, the limit per client"
    )
    with quota.one("robot"), quota.one("other"), refused, quota.one("robot"):
        raise AssertionError("one too many got in")
    assert not quota._open
