"""An edge whose session notes all that happens in it."""

import contextlib

from mc_proto.session import ENDS, CloudConnections, CloudSession
from mc_proto.v1 import cloud_pb2

from tests.edge_agent.edge_rig import PATIENCE_S, S, until

Open = cloud_pb2.SessionRequest.Open


class Edge:
    """A session with its listener."""

    def __init__(self, connections, bundle_hash="the bundle"):
        self.session = CloudSession(connections, "robot", bundle_hash, self)
        self.messages, self.lost, self.credits, self.loads, self.ends = [], [], [], [], []
        self.happened = []

    def on_message(self, message, kind):
        self.messages.append((message.task_id, kind, message))
        self.happened.append((message.task_id, kind))

    def on_lost(self, task_id, reason):
        self.lost.append((task_id, reason))
        self.happened.append((task_id, "lost"))

    def on_credits(self, count):
        self.credits.append(count)

    def on_load(self, load):
        self.loads.append(load)

    def on_ended(self, end):
        self.ends.append(end)
        self.happened.append(("", "ended"))

    def send(self, task_id, payload=b"jpeg", budget_ns=30 * S, accuracy=0.5):
        opened = Open(
            task_id=task_id, codec="jpeg", payload_bytes=len(payload), budget_ns=budget_ns,
            accuracy=accuracy,
        )  # fmt: skip
        self.session.send(opened, payload)

    def kinds(self, task_id):
        return [kind for about, kind in self.happened if about == task_id]

    def ended(self, task_id):
        return bool({*ENDS, "lost"} & {*self.kinds(task_id)})

    async def end(self, task_id):
        """Return how the task ended, and check that it ended once."""
        await until(lambda: self.ended(task_id))
        (end,) = [kind for kind in self.kinds(task_id) if kind in (*ENDS, "lost")]
        return end


@contextlib.asynccontextmanager
async def opened(address, **about):
    connections = CloudConnections(address)
    edge = Edge(connections, **about)
    try:
        await edge.session.open(PATIENCE_S)
        yield edge
    finally:
        await edge.session.close()
        await connections.close()
