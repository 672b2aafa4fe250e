"""grpc.health.v1 reports the state of each service as it was set."""

import contextlib

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mc_proto.channel import bind, connect, make_server
from mc_proto.health import Health

SERVICE, PART = "mc.v1.EdgeAgent", "cloud-link"
STATUS = health_pb2.HealthCheckResponse
TIMEOUT_S = 10


class Agent:
    """A server with the health service, and a client of it."""

    def __init__(self, health, stub):
        self.health, self._stub = health, stub

    async def status(self, service=""):
        request = health_pb2.HealthCheckRequest(service=service)
        return (await self._stub.Check(request, timeout=TIMEOUT_S, wait_for_ready=True)).status

    def watch(self, service):
        return self._stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)


@contextlib.asynccontextmanager
async def agent():
    server = make_server()
    health = Health(server)
    port = bind(server, "127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield Agent(health, health_pb2_grpc.HealthStub(channel))
    finally:
        await server.stop(None)


async def test_a_state_is_set_for_the_service_and_the_agent():
    async with agent() as it:
        await it.health.set(True, SERVICE)
        assert (await it.status(SERVICE), await it.status()) == (STATUS.SERVING, STATUS.SERVING)
        await it.health.set(False, SERVICE)
        assert (await it.status(SERVICE), await it.status()) == (STATUS.NOT_SERVING,) * 2


async def test_the_state_of_a_part_does_not_change_the_agents():
    async with agent() as it:
        await it.health.set(True, SERVICE)
        await it.health.set_part(False, PART)
        assert await it.status(PART) == STATUS.NOT_SERVING
        assert (await it.status(SERVICE), await it.status()) == (STATUS.SERVING, STATUS.SERVING)
        await it.health.set_part(True, PART)
        assert await it.status(PART) == STATUS.SERVING


async def test_an_unknown_service_is_not_found():
    async with agent() as it:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await it.status("mc.v1.Unheard")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_gets_every_change():
    async with agent() as it:
        await it.health.set_part(False, PART)
        watch = it.watch(PART)
        heard = [(await watch.read()).status]
        for up in (True, False):
            await it.health.set_part(up, PART)
            heard.append((await watch.read()).status)
        watch.cancel()
    assert heard == [STATUS.NOT_SERVING, STATUS.SERVING, STATUS.NOT_SERVING]


async def test_an_agent_is_not_serving_at_the_start():
    async with agent() as it:
        assert await it.status() == STATUS.NOT_SERVING
