"""The EdgeAgent service around a driver, over real connections."""

import asyncio
import contextlib
import threading
import time

import grpc
from mc_proto.channel import bind, connect, make_server
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from edge_agent.admission import Admission
from edge_agent.intake import Intake
from edge_agent.servicer import EdgeServicer
from edge_agent.submission import Submissions
from edge_agent.traces import TaskTraces
from mc_sched.core import events as ev
from mc_sched.core.client_credits import ClientCredits
from mc_sched.service.loop_lag import LoopLag
from tests.edge_agent.edge_rig import ANSWER, LABELS, PATIENCE_S, Rig, S
from tests.edge_agent.made_images import image_bytes

JPEG = image_bytes()
LARGE = image_bytes(size=(300, 300))
ABOUT = edge_pb2.StatusReply(
    version="0.0.1", bundle="small", bundle_hash="the bundle", labels=LABELS
)


def new_task(task_id="", image=JPEG, deadline=60.0, **fields):
    """A task as a client sends it."""
    fields.setdefault("policy", "edge-only")
    return edge_pb2.Task(task_id=task_id, image=image, deadline_ns=int(deadline * S), **fields)


class Agent(Rig):
    """The service around a driver. The local net answers at once unless `patient`."""

    patient = False
    answer = ANSWER

    async def start(self, pool):
        self.find_cloud()
        self.pool, self.door = pool, Admission(32, pool)
        started, note = self.net.started, self.net.start

        def start(task_id, prepare, exit_):
            note(task_id, prepare, exit_)
            if not self.patient:
                asyncio.get_running_loop().call_soon(self.net.done, started[-1])

        self.net.start = start
        self.server = make_server()
        self.submissions = Submissions(self.driver, self.door, TaskTraces(self.log))
        self.credits, self.lag = ClientCredits(), LoopLag(asyncio.get_running_loop())
        self.intake = Intake(self.submissions, self.credits, self.lag, self.log)
        self.servicer = EdgeServicer(self.driver, self.log, self.intake, ABOUT)
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(self.servicer, self.server)
        self.channel_port = bind(self.server, "127.0.0.1:0")
        self.channel = connect(f"127.0.0.1:{self.channel_port}")
        await self.server.start()
        self.stub = edge_pb2_grpc.EdgeAgentStub(self.channel)

    def run_or_fail(self, task_id, prepare):
        """Prepare the input as the executor does, and report the end."""
        try:
            prepare()
        except ValueError as error:
            end = ev.LocalFailed(time.monotonic_ns(), task_id, str(error))
        else:
            end = ev.LocalDone(time.monotonic_ns(), task_id, ANSWER)
        asyncio.get_running_loop().call_soon(self.driver.handle, end)

    async def stop(self):
        await self.channel.close(None)
        await self.server.stop(None)

    @contextlib.contextmanager
    def busy_pool(self):
        """Keep the pool busy, so that no large image is decoded."""
        release = threading.Event()
        self.pool.submit(release.wait, PATIENCE_S)
        try:
            yield
        finally:
            release.set()

    async def ask(self, message):
        """Submit one task."""
        return await self.stub.Submit(message, timeout=PATIENCE_S)

    async def stream(self, messages):
        """Return a stream's outcomes in the order they came; sends only with credit."""
        call = self.stub.Stream(timeout=PATIENCE_S)
        credits, outcomes = (await call.read()).credits, []
        for number, message in enumerate(messages):
            while number - len(outcomes) >= credits:
                outcomes += (await call.read()).outcomes
            await call.write(message)
        await call.done_writing()
        while (reply := await call.read()) is not grpc.aio.EOF:
            outcomes += reply.outcomes
        return outcomes


async def next_outcome(call):
    """Return the next outcome of a stream that has one task open."""
    while not (reply := await asyncio.wait_for(call.read(), PATIENCE_S)).outcomes:
        pass
    (outcome,) = reply.outcomes
    return outcome
