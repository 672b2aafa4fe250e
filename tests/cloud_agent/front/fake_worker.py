"""A worker without a process: it records what it gets, and a test decides what it sends."""

import asyncio
import time

from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.task import Prediction, RefusalCode
from tests.cloud_agent.cloud_rig import LABELS, TABLE

PREDICTION = Prediction(((1, 0.8), (0, 0.1)), 0.3)
NAMES = {
    do.Accept: "accepted", do.Progress: "progressed", do.Reply: "result", do.Refuse: "refused",
    do.Reject: "rejected", do.Stop: "stopped",
}  # fmt: skip


class FakeWorker:
    """Holds tasks until the test ends them; with `answers`, it answers each one at once."""

    def __init__(self, index=0, credits=64, answers=False, table=TABLE):
        self.index, self.device, self.up, self.table = index, "cpu", False, table
        self.load = WorkerLoad()
        self.front = None
        self.credits, self.answers = credits, answers
        self.tasks = {}
        """Open tasks: key -> (event, payload)."""
        self.received, self.events, self.traces = [], [], {}
        self.payload_bytes = 0

    # --- as the front calls it ---

    def receive(self, event, payload, trace_id):
        assert self.up
        assert event.task_id not in self.tasks
        self.tasks[event.task_id] = (event, payload)
        self.received.append(event.task_id)
        self.traces[event.task_id] = trace_id
        self.payload_bytes += len(payload)
        if self.answers:
            asyncio.get_running_loop().call_soon(self.serve, event.task_id)

    def handle(self, event):
        assert self.up
        self.events.append(event)
        if isinstance(event, ev.EdgeJoined):
            asyncio.get_running_loop().call_soon(self.grant, event.edge_id, self.credits)
        elif isinstance(event, ev.ClientGone):
            self.tasks.pop(event.task_id, None)
        elif isinstance(event, ev.GiveUpReceived) and event.task_id in self.tasks:
            stop = do.Stop(event.task_id, "given up before its first stage", 0)
            asyncio.get_running_loop().call_soon(self.send, stop)

    # --- as the test calls it ---

    def start(self):
        self.up = True
        self.front.on_up(self)

    def die(self, reason="killed by signal 9"):
        self.up = False
        self.tasks.clear()
        self.front.on_down(self, reason)

    def grant(self, edge_id, credits):
        if self.up:
            self.front.on_grant(self, edge_id, credits)

    def report(self, **load):
        self.load = WorkerLoad(time.monotonic_ns(), received=len(self.received), **load)
        self.front.on_load(self)

    def send(self, action):
        """Send a message about a task that it has; the last one ends the task."""
        key = action.task_id
        if key not in self.tasks:
            return
        edge_id = self.tasks[key][0].edge_id
        message = serde.task_message_to_wire(action, key[len(edge_id) + 1 :], LABELS)
        reply = cloud_pb2.SessionReply(messages=[message]).SerializeToString()
        end = None
        if not isinstance(action, (do.Accept, do.Progress)):
            del self.tasks[key]
            detail = action.exit if isinstance(action, do.Reply) else action.reason
            end = TaskEnd(NAMES[type(action)], detail, getattr(action, "failed", False))
        self.front.on_message(self, key, reply, end)

    def accept(self, key):
        self.send(do.Accept(key, "final", 1000, 0))

    def answer(self, key):
        self.send(do.Reply(key, "final", PREDICTION, 1000, 0, 1.0))

    def refuse(self, key, reason="no exit is in time"):
        self.send(do.Refuse(key, reason, RefusalCode.INFEASIBLE))

    def serve(self, key):
        self.accept(key)
        self.answer(key)

    def count(self, kind):
        """Number of events of this class."""
        return sum(isinstance(event, kind) for event in self.events)
