"""Ends of tasks that the front itself decides: refused, rejected or stopped."""

from __future__ import annotations

from dataclasses import dataclass

from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from mc_sched.core import actions as do
from mc_sched.core.task import RefusalCode


@dataclass(frozen=True)
class Ending:
    """The last message about a task, and what the agent's log says of it."""

    action: do.Refuse | do.Reject | do.Stop
    """The message; its `task_id` is empty."""

    @classmethod
    def refused(cls, code: RefusalCode, reason: str) -> Ending:
        """Make the refusal of a valid task."""
        return cls(do.Refuse("", reason, code))

    @classmethod
    def rejected(cls, reason: str) -> Ending:
        """Make the rejection of a task whose messages are not valid."""
        return cls(do.Reject("", reason, invalid=True))

    @classmethod
    def stopped(cls, reason: str, *, failed: bool = False) -> Ending:
        """Make the end of a task on which nothing is computed; `failed`: because of a fault."""
        return cls(do.Stop("", reason, 0, failed))

    @property
    def message(self) -> str:
        """Name of the message: `refused`, `rejected` or `stopped`."""
        return _NAMES[type(self.action)]

    @property
    def reason(self) -> str:
        """The sentence for people."""
        return self.action.reason

    @property
    def code(self) -> RefusalCode | None:
        """Code of a refusal; None for the others."""
        return self.action.code if isinstance(self.action, do.Refuse) else None

    @property
    def failed(self) -> bool:
        """True if a fault of this agent ended the task."""
        return isinstance(self.action, do.Stop) and self.action.failed

    def encoded(self, task_id: str) -> bytes:
        """Return the message about the edge's task `task_id` as an encoded SessionReply."""
        message = serde.task_message_to_wire(self.action, task_id, ())
        return cloud_pb2.SessionReply(messages=[message]).SerializeToString()


_NAMES = {do.Refuse: "refused", do.Reject: "rejected", do.Stop: "stopped"}
