"""One task's call from an edge to a cloud agent, and the names under which both ends know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mc_sched.core.actions import SendToCloud
from mc_sched.sim.radio_link import Transfer

if TYPE_CHECKING:
    from mc_sched.sim.edge import SimEdge


class Call:
    """Open from its first byte until the edge has its last word, or no longer wants it."""

    __slots__ = (
        "accepted", "accepted_ns", "action", "edge", "given_up", "image", "is_open", "key",
        "received_ns", "transfer",
    )  # fmt: skip

    def __init__(self, edge: SimEdge, action: SendToCloud, image: int) -> None:
        self.edge = edge
        self.action = action
        self.image = image
        """Number of the task's image in its stream."""
        self.key = f"{edge.edge_id}/{action.task_id}"
        self.transfer: Transfer | None = None
        self.received_ns = 0
        """On the cloud: when the payload's last byte came."""
        self.accepted_ns = 0
        """On the cloud: when the word of its acceptance left."""
        self.is_open = True
        """On the edge: its end is still awaited."""
        self.accepted = False
        self.given_up = False
        """On the edge: a give-up is on its way or has arrived."""

    @property
    def transfer_ns(self) -> int:
        """What the cloud saw of the upload: from its first part to its last byte."""
        return self.received_ns - self.opened_ns

    @property
    def opened_ns(self) -> int:
        """When the cloud agent saw it begin."""
        return -1 if self.transfer is None else self.transfer.opened_ns
