"""A cloud agent without networks, on real sockets; the test sets its behaviour."""

import asyncio

import grpc
from mc_proto import serde
from mc_proto.channel import bind, make_server
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

EOF = grpc.aio.EOF
Reply = cloud_pb2.SessionReply
TOP = common_pb2.Prediction(top=[common_pb2.Prediction.Label(index=3, name="ring", probability=1)])
ACCEPTED = {"accepted": Reply.Accepted(exit="final", predicted_ns=5, queue_ns=2, held_ns=1)}
PROGRESSED = {"progressed": Reply.Progressed(stage=0, remaining_ns=3)}
RESULT = {
    "result": Reply.Result(exit="final", prediction=TOP, compute_ns=7, queue_ns=1, slowdown=1.5)
}
REFUSED = {"refused": Reply.Refused(reason="too busy", code="no-credit")}
REJECTED = {"rejected": Reply.Rejected(reason="open.codec: 'webp' is not a codec")}
STOPPED = {"stopped": Reply.Stopped(reason="infeasible", compute_ns=9)}
EMPTY = {}


def about(task_id, *messages):
    """A reply with these messages about a task."""
    return Reply(messages=[Reply.TaskMessage(task_id=task_id, **message) for message in messages])


class Upload:
    """One task: its open message, and the payload's bytes so far."""

    def __init__(self, session, opened, sent_ns):
        self.session, self.opened, self.sent_ns = session, opened, sent_ns
        self.payload = bytearray(opened.head)
        self.messages = 1
        self._grown = asyncio.Event()

    def take(self, data):
        self.payload += data
        self.messages += 1
        self._grown.set()

    @property
    def complete(self):
        return len(self.payload) >= self.opened.payload_bytes

    async def read_all(self):
        """Wait for the rest of the payload."""
        while not self.complete:
            self._grown.clear()
            await self._grown.wait()

    async def send(self, *messages):
        await self.session.send(about(self.opened.task_id, *messages))


class Session:
    """One session: what the edge has sent in it, and a way to answer."""

    def __init__(self, context):
        self._context, self._turn = context, asyncio.Lock()
        self.order = []
        """Task of each message, in the order of their arrival."""
        self.over = False

    async def send(self, reply):
        async with self._turn:
            await self._context.write(reply)

    async def end(self, code, details):
        await self._context.abort(code, details)


async def answers(upload):
    """Accept and reply, as a working agent does."""
    await upload.read_all()
    await upload.send(ACCEPTED, PROGRESSED, RESULT)


async def is_silent(upload):
    """Read everything and send nothing."""
    await upload.read_all()


class FakeCloudAgent(cloud_pb2_grpc.CloudAgentServicer):
    """Handles each task with `work`; the other fields describe it."""

    def __init__(self, table, work=answers):
        self.table, self.work = table, work
        self.bundle_hash = "the bundle"
        self.credits = 8
        self.draining = False
        self.deaf_probes = 0
        self.refusal = None
        """Status and details with which a new session ends."""
        self.chunk_s = 0.0
        """Pause before each message of a session is read."""
        self.forgetful_give_ups = 0
        """Number of give-ups whose task counts as unknown."""
        self.failing_give_ups = 0
        """Number of give-ups that fail because the client has too many calls."""
        self._give_ups = self.most_give_ups = 0
        self.hellos, self.sessions = [], []
        self.uploads: dict[str, Upload] = {}
        self.given_up: list[str] = []
        self.probes: list[cloud_pb2.ProbeRequest] = []
        self.control_peers, self.data_peers = set(), set()
        self.port = 0

    # --- the service ------------------------------------------------------------------------

    async def Describe(self, request, context):  # noqa: N802 - the wire's names from here on
        reply = serde.describe_to_wire(self.table, "0.0.1")
        reply.bundle_hash = self.bundle_hash
        return reply

    async def Probe(self, request, context):  # noqa: N802
        self.control_peers.add(context.peer())
        self.probes.append(request)
        if self.deaf_probes > 0:
            self.deaf_probes -= 1
            await asyncio.sleep(3600)
        return cloud_pb2.ProbeReply(queue_ns=11, slowdown=1.25, draining=self.draining)

    async def GiveUp(self, request, context):  # noqa: N802
        self.control_peers.add(context.peer())
        self.given_up.append(f"{request.edge_id}/{request.task_id}")
        if self.failing_give_ups > 0:
            self.failing_give_ups -= 1
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "256 calls are open already")
        self.forgetful_give_ups -= 1
        self._give_ups += 1
        self.most_give_ups = max(self.most_give_ups, self._give_ups)
        await asyncio.sleep(0)
        self._give_ups -= 1
        return cloud_pb2.GiveUpReply(known=self.forgetful_give_ups < 0)

    async def Session(self, requests, context):  # noqa: N802
        self.data_peers.add(context.peer())
        self.hellos.append((await context.read()).hello)
        if self.refusal is not None:
            await context.abort(*self.refusal)
        session = Session(context)
        self.sessions.append(session)
        jobs = set()
        if self.credits:
            await session.send(Reply(credits=self.credits))
        try:
            while (message := await context.read()) is not EOF:
                jobs |= self._take(session, message)
                await asyncio.sleep(self.chunk_s)
        finally:
            session.over = True
            for job in jobs:
                job.cancel()

    def _take(self, session, message):
        """Take one message; return the job of the task that it opens, if it opens one."""
        opened, chunk = message.open, message.chunk
        session.order.append(opened.task_id or chunk.task_id)
        if message.WhichOneof("message") == "chunk":
            self.uploads[chunk.task_id].take(chunk.data)
            return set()
        upload = self.uploads[opened.task_id] = Upload(session, opened, message.sent_ns)
        return {asyncio.create_task(self.work(upload))}

    # --- its life ---------------------------------------------------------------------------

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    async def start(self):
        """Serve, on the previous port if there was one."""
        self._server = make_server()
        cloud_pb2_grpc.add_CloudAgentServicer_to_server(self, self._server)
        self.port = bind(self._server, self.address)
        await self._server.start()

    async def crash(self):
        """Stop at once and drop all calls."""
        await self._server.stop(None)
