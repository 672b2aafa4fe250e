"""One task's call from an edge to a cloud agent, as known at both ends."""

from __future__ import annotations

from typing import Protocol

from mc_sched.core.actions import Accept, Progress, Refuse, Reply, SendToCloud, Stop
from mc_sched.sim.radio_link import RadioLink, Transfer
from mc_sched.sim.truth import Truth

Message = Progress | Refuse | Reply | Stop
"""Messages that may follow the acceptance, or replace it."""


class EdgeEnd(Protocol):
    """The edge's end of a call, to which the cloud sends its messages."""

    edge_id: str
    link: RadioLink
    truth: Truth

    def accepted(self, call: Call, action: Accept, held_ns: int) -> None:
        """Receive the acceptance, which the cloud has sent `held_ns` after the payload's end."""

    def message(self, call: Call, action: Message, held_ns: int) -> None:
        """Receive a message, which the cloud has sent `held_ns` after the acceptance."""

    def lost(self, call: Call, reason: str) -> None:
        """Handle the loss of the call."""


class Call:
    """A call, open from its first byte until the edge has the last message or cancels the call."""

    __slots__ = (
        "accepted", "accepted_ns", "action", "edge", "given_up", "image", "is_open", "key",
        "received_ns", "transfer",
    )  # fmt: skip

    def __init__(self, edge: EdgeEnd, action: SendToCloud, image: int) -> None:
        self.edge = edge
        self.action = action
        self.image = image
        """Number of the task's image in its stream."""
        self.key = f"{edge.edge_id}/{action.task_id}"
        self.transfer: Transfer | None = None
        self.received_ns = 0
        """Time at which the payload's last byte arrived in the cloud."""
        self.accepted_ns = 0
        """Time at which the cloud sent the acceptance."""
        self.is_open = True
        """False once the call has ended on the edge."""
        self.accepted = False
        self.given_up = False
        """True once the edge has sent a give-up."""

    @property
    def transfer_ns(self) -> int:
        """Duration of the upload as the cloud sees it, from its first part to its last byte."""
        return self.received_ns - self.opened_ns

    @property
    def opened_ns(self) -> int:
        """Time at which the cloud agent saw the call begin; -1 if it has not."""
        return -1 if self.transfer is None else self.transfer.opened_ns
