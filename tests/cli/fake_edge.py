"""An edge agent without networks, on the real servicer base class and the real server options.

Its answer to an image is fixed. A test chooses when and how the agent dies.
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
    """Answers each good image in time, until `end` happens after `after` images.

    `end`: "die" (the process exits), "leave" (the stream ends without an error), "abort"
    (INTERNAL), "mute" (further images are accepted and not answered) or None.
    """

    def __init__(self, end=None, after=0, credits=1000):
        self.end, self.after, self.credits = end, after, credits
        self.claimed_ns = 20_000_000
        """Latency in each outcome."""
        self.address = ""
        self.seen = []
        self.stream_over = asyncio.Event()
        self.keeps_logs = True
        self.log_requests = []
        """Requests for logs so far."""
        self.status = edge_pb2.StatusReply(
            version="0.0.1", bundle="set-a", bundle_hash="0123", cloud="up", mode="energy",
            policy="mc", outcomes={"succeeded": 3}, sites={"edge": 3}, rtt_ns=8_000_000,
            uplink_bps=18e6, uptime_ns=5_000_000_000, idle_w=3.0, energy_source="model",
            labels=LABELS,
        )  # fmt: skip

    # --- the service ------------------------------------------------------------------------

    async def Submit(self, request, context):  # noqa: N802 - the wire's names from here on
        """Answer one image; bad input is INVALID_ARGUMENT, as on the real agent."""
        self.seen.append(request)
        answer = self._outcome(request)
        if answer.error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, answer.error)
        return answer

    async def Stream(self, requests, context):  # noqa: N802
        """Answer images until `after`, then end the stream as `end` names it."""
        context.add_done_callback(lambda _: self.stream_over.set())
        yield edge_pb2.StreamReply(credits=self.credits)
        async for request in requests:
            self.seen.append(request)
            if not self.end or len(self.seen) <= self.after:
                yield edge_pb2.StreamReply(outcomes=[self._outcome(request)])
            elif self.end != "mute":
                await self._end(context)
                return

    async def Feedback(self, request, context):  # noqa: N802
        """Answer for every task that it has seen."""
        known = [task for task in self.seen if task.task_id == request.task_id]
        if not known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "task_id: not among the finished tasks")
        answer = self._outcome(known[0])
        answer.task_id += "+1"
        return answer

    async def Status(self, request, context):  # noqa: N802
        """Return a fixed status."""
        return self.status

    async def Watch(self, request, context):  # noqa: N802
        """Send three outcomes and another record, then wait."""
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
        """Send one line that contains the query."""
        self.log_requests.append(request)
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
            task_id=task.task_id, stream_id=task.stream_id, kind="succeeded",
            latency_ns=self.claimed_ns, site="edge", exit="local",
            prediction=common_pb2.Prediction(top=top),
            expected_accuracy=0.8, required_accuracy=task.accuracy,
            energy=edge_pb2.Energy(compute_j=0.25),
        )  # fmt: skip

    # --- start and stop ---------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self):
        """Serve on a free loopback port, in this event loop."""
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
        """Serve from a thread with its own event loop, for a client that starts its own."""
        started = queue.SimpleQueue()

        async def serve():
            over = asyncio.Event()
            async with self.serving():
                started.put((asyncio.get_running_loop(), over))
                await over.wait()

        # `asyncio.run` also cancels open calls, which would warn when garbage-collected
        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        loop, over = started.get(timeout=PATIENCE_S)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(PATIENCE_S)
