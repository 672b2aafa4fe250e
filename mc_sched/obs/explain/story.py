"""The story of one task: its records in an edge's log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.scores import Score
from mc_sched.core.task import Outcome, Task
from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import CLASSES, Record
from mc_sched.obs.log.moments import CloudStory, Moment
from mc_sched.obs.replay import value_of


@dataclass
class Story:
    """A task's events and actions in order, with times on the edge's clock."""

    task: Task
    submitted: Record
    steps: list[tuple[int, Any]] = field(default_factory=list)
    """(time in nanoseconds, event or action)."""
    cloud: tuple[Moment, ...] = ()
    """The cloud's part; its times count from the arrival of its first message."""
    outcome: Outcome | None = None
    ended_ns: int = 0

    @property
    def scores(self) -> list[Score]:
        """The scores of the task's forecasts."""
        return [step.score for _, step in self.steps if isinstance(step, do.RecordScore)]

    def first(self, *kinds: type) -> tuple[int, Any] | None:
        """Return the first step of these classes, with its time; None if there is none."""
        return next(((at, step) for at, step in self.steps if isinstance(step, kinds)), None)

    def since_ns(self, at_ns: int) -> int:
        """Return the time since the task's submission."""
        return at_ns - self.task.submitted_ns

    def cloud_began_ns(self) -> int | None:
        """Estimate when its first message reached the cloud, on the edge's clock; None if unknown.

        The cloud reports how long it took to accept the task. The rest of the time until the
        acceptance arrived is split evenly between both directions of the link.
        """
        sent, accepted = self.first(do.SendToCloud), self.first(ev.CloudAccepted)
        took_ns = next((m.at_ns for m in self.cloud if m.name == do.Accept.__name__), None)
        if sent is None or accepted is None or took_ns is None:
            return None
        return sent[0] + max(0, accepted[0] - sent[0] - took_ns) // 2


def gather(records: Iterable[Record], task_id: str) -> Story:
    """Build a task's story from its records. Raise UserError if they lack its beginning."""
    story: Story | None = None
    for record in records:
        if record["node"] != "edge":
            continue
        if record["name"] == CloudStory.__name__ and story is not None:
            story.cloud = tuple(Moment(**moment) for moment in record["data"]["moments"])
        elif record["name"] in CLASSES and record["kind"] in ("event", "action"):
            value = value_of(record)
            if story is None:
                story = _begin(record, value)
            if story is not None:
                _add_step(story, record["t_ns"], value)
    if story is None:
        raise UserError(
            f"{task_id!r}: no edge log in these stores holds the beginning of this task; "
            "one that was refused before a policy saw it has its reason in its outcome"
        )
    return story


def _begin(record: Record, value: Any) -> Story | None:
    if isinstance(value, ev.Submitted):
        return Story(value.task, record)
    return Story(value.again, record) if isinstance(value, ev.NotSatisfied) else None


def _add_step(story: Story, at_ns: int, value: Any) -> None:
    story.steps.append((at_ns, value))
    if isinstance(value, do.Finish) and story.outcome is None:
        story.outcome, story.ended_ns = value.outcome, at_ns
