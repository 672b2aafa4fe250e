"""One open task on the front: its upload, then the worker that has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mc_proto.v1 import cloud_pb2

if TYPE_CHECKING:
    from cloud_agent.front.session import Session
    from cloud_agent.front.worker_link import Worker

Open = cloud_pb2.SessionRequest.Open


@dataclass(slots=True, eq=False)
class OpenTask:
    """A task from its `open` to its last message."""

    key: str
    """Its id on this node: `edge_id/task_id`."""
    session: Session
    trace_id: str
    """Trace that it belongs to; empty for none."""
    opened: Open
    opened_ns: int
    hidden_ns: int
    """Time that its first message waited in transit to the front."""
    worker: Worker | None = None
    """The worker that has it; None during the upload."""
    parts: list[bytes] = field(default_factory=list)
    """The payload so far; empty when a worker has it."""
    held_bytes: int = 0
    """Size of `parts`, as it was before the last bytes arrived."""

    @property
    def task_id(self) -> str:
        """The edge's own id."""
        return self.opened.task_id

    def add(self, part: bytes) -> None:
        """Take the next bytes of the payload, but not the last ones."""
        self.parts.append(part)
        self.held_bytes += len(part)
