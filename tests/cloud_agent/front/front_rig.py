"""A front with fake workers behind a real port, and clients of it."""

import asyncio
import logging

import grpc
from mc_proto.channel import MAX_CHUNK_BYTES, bind, connect, make_server
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from cloud_agent.front.front import Front
from cloud_agent.front.limits import Limits
from cloud_agent.front.servicer import CloudServicer
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import PATIENCE_S, TABLE, S, until
from tests.cloud_agent.front.fake_worker import FakeWorker

EOF = grpc.aio.EOF
ENDS = ("result", "refused", "rejected", "stopped")
LOGGER = logging.getLogger("tests.front")


class Agent:
    """A cloud agent's front on a port of this machine."""

    def __init__(self, *workers, **limits):
        self.workers = list(workers) or [FakeWorker()]
        self.log, self.records, self.serving = EventLog(None, "cloud"), [], {}
        self.log.subscribe(self.records.append)
        self.front = Front(
            self.workers, Limits(**limits), self.log, LOGGER, self.serving.__setitem__
        )
        for worker in self.workers:
            worker.front = self.front
            worker.start()
        self.server = make_server(None, MAX_CHUNK_BYTES)
        CloudServicer(self.front, "0.0.1").add_to(self.server)
        self.channels = []

    @property
    def worker(self):
        return self.workers[0]

    async def start(self):
        self.address = f"127.0.0.1:{bind(self.server, '127.0.0.1:0')}"
        await self.server.start()
        self.front.start()
        self.ask = cloud_pb2_grpc.CloudAgentStub(self.connect())

    def connect(self):
        self.channels.append(connect(self.address))
        return self.channels[-1]

    async def stop(self):
        for channel in self.channels:
            await channel.close(None)
        self.front.stop()
        await self.server.stop(None)

    async def join(self, edge_id="robot", **fields):
        """A client with its own connection, after its hello."""
        client = Client(self.connect())
        await client.send(hello(edge_id, **fields))
        return client

    async def give_up(self, task_id, edge_id="robot"):
        request = cloud_pb2.GiveUpRequest(task_id=task_id, edge_id=edge_id)
        return (await self.ask.GiveUp(request, timeout=PATIENCE_S)).known

    async def probe(self, **fields):
        return await self.ask.Probe(cloud_pb2.ProbeRequest(**fields), timeout=PATIENCE_S)

    def notes(self, key):
        """Values of this key in the notes of the log."""
        return [r["data"][key] for r in self.records if r["kind"] == "note" and key in r["data"]]

    def is_free(self):
        """Return True if nothing is left of any task."""
        front = self.front
        held = [worker.tasks for worker in self.workers if worker.tasks]
        empty = not len(front.tasks) and not front.tasks.upload_bytes
        counted = front.tasks._uploads or front.tasks._of_client
        return empty and not counted and not held


class Client:
    """One session, with what it has received."""

    def __init__(self, channel):
        self.channel = channel
        self.call = cloud_pb2_grpc.CloudAgentStub(channel).Session()
        self.messages, self.credits, self.loads = {}, [], []
        """Messages by task; all credits; all loads."""
        self.replies = 0
        self.reading = None
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, *requests):
        for request in requests:
            await self.call.write(request)
        if self.reading is None:
            self.reading = asyncio.create_task(self._read_all())

    async def _read(self):
        await self.reads.wait()
        return await self.call.read()

    async def _read_all(self):
        while (reply := await self._read()) is not EOF:
            self.replies += 1
            if reply.HasField("credits"):
                self.credits.append(reply.credits)
            if reply.HasField("load"):
                self.loads.append(reply.load)
            for message in reply.messages:
                self.messages.setdefault(message.task_id, []).append(message)

    def names(self, task_id="a"):
        """Names of the messages about a task."""
        return [m.WhichOneof("message") for m in self.messages.get(task_id, [])]

    async def end(self, task_id="a"):
        """The last message about a task, once it has come: its name and itself."""
        await until(lambda: self.names(task_id)[-1:] and self.names(task_id)[-1] in ENDS)
        names = self.names(task_id)
        return names[-1], getattr(self.messages[task_id][-1], names[-1])

    async def status(self):
        """Status and sentence with which the session ends."""
        try:
            await asyncio.wait_for(self.reading, PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            sentence = error.details()
            assert "Traceback" not in sentence
            assert "\n" not in sentence
            return error.code(), sentence
        return await self.call.code(), ""


def hello(edge_id="robot", bundle_hash=TABLE.bundle_hash):
    """The first message of a session."""
    request = cloud_pb2.SessionRequest
    return request(hello=request.Hello(edge_id=edge_id, bundle_hash=bundle_hash))


def opened(task_id="a", payload=b"jpeg", head=None, sent_ns=0, **fields):
    """A message that opens a task; `head` bytes of the payload travel in it, by default all."""
    given = {
        "task_id": task_id, "codec": "jpeg", "payload_bytes": len(payload), "accuracy": 0.9,
        "budget_ns": 60 * S, "head": payload[:head], **fields,
    }  # fmt: skip
    request = cloud_pb2.SessionRequest
    return request(open=request.Open(**given), sent_ns=sent_ns)


def chunk(task_id="a", data=b"jpeg", sent_ns=0):
    """A message with the next bytes of a payload."""
    request = cloud_pb2.SessionRequest
    return request(chunk=request.Chunk(task_id=task_id, data=data), sent_ns=sent_ns)
