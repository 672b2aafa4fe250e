"""An edge agent without networks, on the real servicer base class and the real server options.

Its answer to an image is fixed; how it dies, and when, is the test's to say.
"""

import asyncio
import contextlib
import json
import queue
import threading

import grpc
from mc_proto import serde
from mc_proto.channel import bind, make_server
from mc_proto.v1 import common_pb2, edge_pb2, edge_pb2_grpc

from mc_sched.core.policies import POLICIES

LABELS = ["star-dots", "disc-checks", "ring-waves", "cross-dots", "bar-plain"]
NO_IMAGE = b"no image"
PATIENCE_S = 10


class FakeEdge(edge_pb2_grpc.EdgeAgentServicer):
    """Answers each good image in time; `end` is what happens once `after` images have come.

    `end`: "die" (the process goes), "leave" (the stream ends as if all were well), "abort"
    (INTERNAL), "mute" (images are taken and no answer comes any more) or None.
    """

    def __init__(self, end=None, after=0):
        self.end, self.after = end, after
        self.address = ""
        self.seen = []
        self.stream_over = asyncio.Event()
        self.keeps_logs = True
        self.asked = []
        """What was asked of the logs."""
        self.status = edge_pb2.StatusReply(
            version="0.0.1", bundle="set-a", bundle_hash="0123", cloud="up", mode="energy",
            policy="mc", outcomes={"succeeded": 3}, sites={"edge": 3}, rtt_ns=8_000_000,
            uplink_bps=18e6, uptime_ns=5_000_000_000, idle_w=3.0, energy_source="model",
            labels=LABELS,
        )  # fmt: skip

    # --- the service ------------------------------------------------------------------------

    async def Submit(self, request, context):  # noqa: N802 - the wire's names from here on
        """One image; bad input is INVALID_ARGUMENT, as on the real agent."""
        self.seen.append(request)
        answer = self._outcome(request)
        if answer.error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, answer.error)
        return answer

    async def Stream(self, requests, context):  # noqa: N802
        """Images until `after`, then the end."""
        context.add_done_callback(lambda _: self.stream_over.set())
        async for request in requests:
            self.seen.append(request)
            if not self.end or len(self.seen) <= self.after:
                yield self._outcome(request)
            elif self.end != "mute":
                await self._end(context)
                return

    async def Feedback(self, request, context):  # noqa: N802
        """Knows every task that it has seen."""
        known = [task for task in self.seen if task.task_id == request.task_id]
        if not known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "task_id: not among the finished tasks")
        answer = self._outcome(known[0])
        answer.task_id += "+1"
        return answer

    async def Status(self, request, context):  # noqa: N802
        """Always the same."""
        return self.status

    async def Watch(self, request, context):  # noqa: N802
        """Three outcomes and something else, then nothing for a while."""
        for kind, site, latency_ns in (
            ("succeeded", "edge", 20_000_000), ("succeeded", "edge", 22_000_000), ("late", None, 9),
        ):  # fmt: skip
            outcome = {"kind": kind, "site": site, "exit": None, "latency_ns": latency_ns,
                       "gave_up": False, "prediction": site and {"top": []}}  # fmt: skip
            record = {"name": "Finish", "data": {"outcome": outcome}}
            yield edge_pb2.Event(json=json.dumps(record))
        yield edge_pb2.Event(json='{"name": "LinkSampled", "data": {}}')
        await asyncio.sleep(PATIENCE_S)

    async def Logs(self, request, context):  # noqa: N802
        """One line, which says what was looked for."""
        self.asked.append(request)
        if not self.keeps_logs:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the agent keeps no log store")
        yield edge_pb2.Event(json=json.dumps({"words": list(request.words)}))

    async def _end(self, context):
        if self.end == "abort":
            await context.abort(grpc.StatusCode.INTERNAL, "something broke")
        if self.end == "die":
            stopping = asyncio.create_task(self._server.stop(None))
            await asyncio.wait([stopping])

    def _outcome(self, task):
        try:
            serde.check_task(task, POLICIES)
            if task.image == NO_IMAGE:
                raise serde.BadField("image", "is no JPEG or PNG; send the bytes of an image file")
        except serde.BadField as error:
            return serde.bad_input_to_wire(task, task.task_id, error)
        top = [
            common_pb2.Prediction.Label(index=i, name=name, probability=0.5**i)
            for i, name in enumerate(LABELS)
        ]
        return edge_pb2.Outcome(
            task_id=task.task_id, stream_id=task.stream_id, kind="succeeded", latency_ns=20_000_000,
            site="edge", exit="local", prediction=common_pb2.Prediction(top=top),
            expected_accuracy=0.8, required_accuracy=task.accuracy,
            energy=edge_pb2.Energy(compute_j=0.25),
        )  # fmt: skip

    # --- its life ---------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self):
        """Serves on a free port of loopback, in this loop."""
        self._server = make_server()
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{bind(self._server, '127.0.0.1:0')}"
        await self._server.start()
        try:
            yield self
        finally:
            await self._server.stop(None)

    @contextlib.contextmanager
    def in_a_thread(self):
        """Serves from a thread with a loop of its own, for a client that brings its loop."""
        started = queue.SimpleQueue()

        async def live():
            over = asyncio.Event()
            async with self.serving():
                started.put((asyncio.get_running_loop(), over))
                await over.wait()

        # `run` also ends the calls that nobody ended; they complain when they are collected.
        thread = threading.Thread(target=asyncio.run, args=(live(),), daemon=True)
        thread.start()
        loop, over = started.get(timeout=PATIENCE_S)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(PATIENCE_S)
