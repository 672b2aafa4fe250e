"""The cloud's part of a task's story, small enough to come home with its reply.

Times count from the moment when the task's call reached the cloud; no clock reading crosses the
wire. The edge logs them as one note, so that its log has the whole timeline.
"""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.core import actions as do
from mc_sched.core import events as ev


@dataclass(frozen=True)
class Moment:
    """Something that happened to a task on the cloud, and how long it had taken then."""

    name: str
    at_ns: int
    took_ns: int = 0
    detail: str = ""


@dataclass(frozen=True)
class CloudStory:
    """What the cloud told of one task, in order."""

    task_id: str
    moments: tuple[Moment, ...]


def moment_of(value: ev.CloudEvent | do.CloudAction, at_ns: int) -> Moment | None:
    """The moment that an event or action is, `at_ns` after the call; None if it is not told."""
    name = type(value).__name__
    if isinstance(value, ev.Arrived):
        return Moment(name, at_ns, value.transfer_ns, value.codec)
    if isinstance(value, do.Accept):
        return Moment(name, at_ns, 0, value.exit)
    if isinstance(value, ev.StageDone):
        return Moment(name, at_ns, value.took_ns, f"stage {value.stage}")
    if isinstance(value, ev.HeadDone):
        return Moment(name, at_ns, value.took_ns, value.exit)
    if isinstance(value, (do.Reply, ev.GiveUpReceived)):
        return Moment(name, at_ns)
    if isinstance(value, (do.Stop, do.Refuse, ev.ExecutorFailed)):
        return Moment(name, at_ns, 0, value.reason)
    return None
