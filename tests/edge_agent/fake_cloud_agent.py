"""A cloud agent without networks, on real sockets; the test sets its behaviour."""

import asyncio

import grpc
from mc_proto import serde
from mc_proto.channel import bind, make_server
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

EOF = grpc.aio.EOF
Reply = cloud_pb2.InferReply
ACCEPTED = Reply(accepted=Reply.Accepted(exit="final", predicted_ns=5, queue_ns=2, held_ns=1))
PROGRESSED = Reply(progressed=Reply.Progressed(stage=0, remaining_ns=3))
TOP = common_pb2.Prediction(top=[common_pb2.Prediction.Label(index=3, name="ring", probability=1)])
RESULT = Reply(
    result=Reply.Result(exit="final", prediction=TOP, compute_ns=7, queue_ns=1, slowdown=1.5)
)
REFUSED = Reply(refused=Reply.Refused(reason="too busy"))
STOPPED = Reply(stopped=Reply.Stopped(reason="infeasible", compute_ns=9))


class Upload:
    """One Infer call: its open message, and the payload's bytes so far."""

    def __init__(self, context):
        self.context = context
        self.opened = None
        self.payload = bytearray()
        self.messages = 0
        self.hung_up = asyncio.Event()

    async def read(self):
        """Read one message; return False at the end."""
        message = await self.context.read()
        if message is EOF:
            return False
        self.messages += 1
        if self.opened is None:
            self.opened = message.open
            self.payload += message.open.head
        else:
            self.payload += message.chunk
        return True

    async def read_all(self):
        """Read the rest of the payload."""
        while len(self.payload) < self.opened.payload_bytes and await self.read():
            pass

    async def send(self, *replies):
        for reply in replies:
            await self.context.write(reply)


async def answers(upload):
    """Accept and reply, as a working agent does."""
    await upload.read_all()
    await upload.send(ACCEPTED, PROGRESSED, RESULT)


async def is_silent(upload):
    """Read everything and send nothing."""
    await upload.read_all()
    await asyncio.sleep(3600)


class FakeCloudAgent(cloud_pb2_grpc.CloudAgentServicer):
    """Handles each call with `infer`; the other fields describe it."""

    def __init__(self, table, infer=answers):
        self.table, self.infer = table, infer
        self.bundle_hash = "the bundle"
        self.draining = False
        self.deaf_probes = 0
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
        return cloud_pb2.GiveUpReply(known=True)

    async def Infer(self, requests, context):  # noqa: N802
        self.data_peers.add(context.peer())
        upload = Upload(context)
        await upload.read()
        self.uploads[upload.opened.task_id] = upload
        try:
            await self.infer(upload)
        except asyncio.CancelledError:
            upload.hung_up.set()
            raise

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
