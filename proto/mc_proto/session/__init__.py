"""The edge's side of the wire to a cloud agent: two connections, and a session over one of them.

`CloudSession` carries all tasks of an edge. It is used by the edge agent and by benchmarks.
"""

from mc_proto.session.connections import CloudConnections
from mc_proto.session.session import ENDS, CloudSession, Listener, SessionEnded
from mc_proto.session.upload import CHUNK_BYTES

__all__ = [
    "CHUNK_BYTES",
    "ENDS",
    "CloudConnections",
    "CloudSession",
    "Listener",
    "SessionEnded",
]
