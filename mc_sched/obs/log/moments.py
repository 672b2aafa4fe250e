"""The cloud's part of a task's story, small enough to travel with the reply.

Times count from the arrival of the task's first message; no clock reading crosses the wire.
The edge logs the moments as one note, so that its log holds the task's complete timeline.
"""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.core import actions as do
from mc_sched.core import events as ev


@dataclass(frozen=True)
class Moment:
    """An event or action of a task in the cloud."""

    name: str
    """The class of the event or action."""
    at_ns: int
    """Time since the task's first message arrived."""
    took_ns: int = 0
    detail: str = ""


@dataclass(frozen=True)
class CloudStory:
    """The moments of one task that the cloud reported, in order."""

    task_id: str
    moments: tuple[Moment, ...]


def moment_of(value: ev.CloudEvent | do.CloudAction, at_ns: int) -> Moment | None:
    """Return the moment of an event or action, `at_ns` after the arrival; None if it has none."""
    name = type(value).__name__
    if isinstance(value, ev.Received):
        return Moment(name, at_ns, value.transfer_ns, value.codec)
    if isinstance(value, ev.Decoded):
        return Moment(name, at_ns, value.took_ns)
    if isinstance(value, do.Accept):
        return Moment(name, at_ns, 0, f"{value.exit}{_tried(value.trial_after_ns)}")
    if isinstance(value, ev.StageDone):
        detail = f"stage {value.stage}{_others(value.task_ids)}"
        return Moment(name, at_ns, value.took_ns, detail)
    if isinstance(value, ev.HeadDone):
        return Moment(name, at_ns, value.took_ns, f"{value.exit}{_others(value.task_ids)}")
    if isinstance(value, (do.Reply, ev.GiveUpReceived)):
        return Moment(name, at_ns)
    if isinstance(value, (do.Stop, do.Refuse, do.Reject, ev.ExecutorFailed)):
        return Moment(name, at_ns, 0, value.reason)
    return None


def _tried(after_ns: int) -> str:
    return f", tried, since nothing was measured for {after_ns / 1e6:.0f} ms" if after_ns else ""


def _others(task_ids: tuple[str, ...]) -> str:
    """Return the size of a batch, as the end of a detail; empty for a task alone."""
    others = len(task_ids) - 1
    return f" with {others} other{'s' * (others > 1)}" if others else ""
