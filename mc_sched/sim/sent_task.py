"""One task on its way from an edge to a cloud agent and back, as known at both ends."""

from __future__ import annotations

from typing import Protocol

from mc_sched.core.actions import Accept, Progress, Refuse, Reply, SendToCloud, Stop
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.sim.radio_link import RadioLink, Transfer
from mc_sched.sim.truth import Truth

Message = Progress | Refuse | Reply | Stop
"""Messages that may follow the acceptance, or replace it."""


class EdgeEnd(Protocol):
    """The edge's end of a session, to which the cloud sends its messages."""

    edge_id: str
    link: RadioLink
    truth: Truth

    def accepted(self, sent: SentTask, action: Accept, held_ns: int) -> None:
        """Receive the acceptance, which the cloud has sent `held_ns` after the payload's end."""

    def message(self, sent: SentTask, action: Message, held_ns: int) -> None:
        """Receive a message, which the cloud has sent `held_ns` after the acceptance."""

    def credits_granted(self, session: int, credits: int) -> None:
        """Receive the credits of the edge's session of this number."""

    def load_reported(self, session: int, load: CloudLoad) -> None:
        """Receive the cloud's load in the session of this number."""


class SentTask:
    """A task in a session, open from its first byte until its last message or its give-up."""

    __slots__ = (
        "accepted_ns", "action", "edge", "image", "is_open", "is_over", "key",
        "received_ns", "sent_ns", "session", "transfer",
    )  # fmt: skip

    def __init__(
        self, edge: EdgeEnd, session: int, action: SendToCloud, image: int, now_ns: int
    ) -> None:
        self.edge = edge
        self.session = session
        """Number of the edge's session that carries it."""
        self.action = action
        self.image = image
        """Number of the task's image in its stream."""
        self.key = f"{edge.edge_id}/{action.task_id}"
        self.sent_ns = now_ns
        """Time at which the edge decided to send it."""
        self.transfer: Transfer | None = None
        self.received_ns = 0
        """Time at which the payload's last byte arrived in the cloud."""
        self.accepted_ns = 0
        """Time at which the cloud sent the acceptance."""
        self.is_open = True
        """False once the task has ended on the edge."""
        self.is_over = False
        """True once it has ended in the cloud."""

    @property
    def transfer_ns(self) -> int:
        """Duration of the upload as the cloud sees it, from its first part to its last byte."""
        return self.received_ns - self.opened_ns

    @property
    def begun_ns(self) -> int:
        """Time at which the first byte was sent; -1 if none was."""
        return -1 if self.transfer is None else self.transfer.begun_ns

    @property
    def opened_ns(self) -> int:
        """Time at which the cloud agent saw the task begin; -1 if it has not."""
        return -1 if self.transfer is None else self.transfer.opened_ns
