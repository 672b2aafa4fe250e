"""The load of the agent as its clients see it."""

from __future__ import annotations

from typing import NamedTuple

from mc_proto.v1 import cloud_pb2

QUEUE_CHANGE_NS = 2_000_000
"""Smallest change of the waiting work that is reported to a client that sends nothing."""
SLOWDOWN_CHANGE = 0.05
"""Smallest such change of the slowdown."""


class Load(NamedTuple):
    """Load of the worker with the least work ahead."""

    queue_ns: int = 0
    slowdown: float = 1.0
    draining: bool = False

    def differs(self, known: Load) -> bool:
        """Return True if a client that knows `known` should learn of this load."""
        return (
            self.draining != known.draining
            or abs(self.queue_ns - known.queue_ns) >= QUEUE_CHANGE_NS
            or abs(self.slowdown - known.slowdown) >= SLOWDOWN_CHANGE
        )


def encode_news(credits: int | None, load: Load) -> bytes:
    """Return a session's credits, None if they are unchanged, and the load as a SessionReply."""
    reply = cloud_pb2.SessionReply
    wire = reply.Load(queue_ns=load.queue_ns, slowdown=load.slowdown, draining=load.draining)
    return reply(credits=credits, load=wire).SerializeToString()
