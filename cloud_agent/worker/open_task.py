"""A task on its worker: what its messages to the edge need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from cloud_agent.pipe.messages import TaskMessage
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.obs.log.moments import Moment, moment_of

Message = do.Accept | do.Refuse | do.Reject | do.Progress | do.Reply | do.Stop
"""Actions that send a message to the edge."""
LAST = (do.Refuse, do.Reject, do.Reply, do.Stop)
"""Messages that end a task."""


@dataclass
class OpenTask:
    """One task, from its arrival to its last message."""

    number: int
    """Number by which the front knows it."""
    task_id: str
    """Its id on the edge."""
    opened_ns: int
    """Moment when the front opened it; its story counts from there."""
    received_ns: int
    """Moment when the front had the whole payload."""
    accepted_ns: int = 0
    """Moment when its acceptance was written."""
    served_by: str = ""
    """The worker, for the task's story."""
    gone: bool = False
    """True if nobody waits for its messages any more."""
    story: list[Moment] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, event: ev.Received) -> OpenTask:
        """Return the task that has arrived with this event of the front."""
        task_id = event.task_id.removeprefix(f"{event.edge_id}/")
        return cls(number, task_id, event.now_ns - event.transfer_ns, event.now_ns)

    def note(self, now_ns: int, value: ev.CloudEvent | do.CloudAction) -> None:
        """Add an event or action to the story, if it belongs there."""
        moment = moment_of(value, now_ns - self.opened_ns)
        if isinstance(value, ev.Received) and moment is not None:
            moment = replace(moment, detail=f"{moment.detail} by {self.served_by}")
        if moment is not None:
            self.story.append(moment)

    def encode(self, action: Message, labels: tuple[str, ...], now_ns: int) -> TaskMessage:
        """Return a message that leaves now."""
        held_ns = now_ns - (self.accepted_ns or self.received_ns)
        if isinstance(action, do.Accept):
            self.accepted_ns = now_ns
        transfer_ns = self.received_ns - self.opened_ns
        message = serde.task_message_to_wire(action, self.task_id, labels, held_ns, transfer_ns)
        end = end_of(action)
        if end is not None:
            message.story.extend(serde.session_story_to_wire(self.story))
        reply = cloud_pb2.SessionReply(messages=(message,))
        return TaskMessage(self.number, reply.SerializeToString(), end)


def end_of(action: Message) -> TaskEnd | None:
    """Return the end that a message brings; None if it is not a last one."""
    if isinstance(action, do.Reply):
        return TaskEnd("result", action.exit)
    if isinstance(action, do.Refuse):
        return TaskEnd("refused", action.reason)
    if isinstance(action, do.Reject):
        return TaskEnd("rejected", action.reason, failed=not action.invalid)
    if isinstance(action, do.Stop):
        return TaskEnd("stopped", action.reason, action.failed)
    return None
