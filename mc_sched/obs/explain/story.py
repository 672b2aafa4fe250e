"""What an edge's log holds of one task."""

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
from mc_sched.obs.log.moments import Moment
from mc_sched.obs.replay import value_of


@dataclass
class Story:
    """A task's events and actions in order, each `at_ns` on the edge's clock."""

    task: Task
    submitted: Record
    steps: list[tuple[int, Any]] = field(default_factory=list)
    cloud: tuple[Moment, ...] = ()
    """The cloud's part, in its own time."""
    outcome: Outcome | None = None
    ended_ns: int = 0

    @property
    def scores(self) -> list[Score]:
        """Each forecast of it whose truth is known."""
        return [step.score for _, step in self.steps if isinstance(step, do.RecordScore)]

    def first(self, *kinds: type) -> tuple[int, Any] | None:
        """When the first step of these kinds was, and the step."""
        return next(((at, step) for at, step in self.steps if isinstance(step, kinds)), None)

    def since_ns(self, at_ns: int) -> int:
        """Time since its submission."""
        return at_ns - self.task.submitted_ns

    def cloud_began_ns(self) -> int | None:
        """When its call reached the cloud, on the edge's clock.

        The word of acceptance tells how long it took there; the rest was the way up and the way
        back, which count as equally long. None if that cannot be told.
        """
        sent, accepted = self.first(do.SendToCloud), self.first(ev.CloudAccepted)
        there = next((m.at_ns for m in self.cloud if m.name == "Accept"), None)
        if sent is None or accepted is None or there is None:
            return None
        return sent[0] + max(0, accepted[0] - sent[0] - there) // 2


def gather(records: Iterable[Record], task_id: str) -> Story:
    """The story of a task from its records; UserError where the log does not hold its beginning."""
    story: Story | None = None
    for record in records:
        if record["node"] != "edge":
            continue
        if record["name"] == "CloudStory" and story is not None:
            story.cloud = tuple(Moment(**moment) for moment in record["data"]["moments"])
        elif record["name"] in CLASSES and record["kind"] in ("event", "action"):
            value = value_of(record)
            if story is None:
                story = _begun(record, value)
            if story is not None:
                _take(story, record["t_ns"], value)
    if story is None:
        raise UserError(f"{task_id!r}: no edge's log here holds the beginning of this task")
    return story


def _begun(record: Record, value: Any) -> Story | None:
    if isinstance(value, ev.Submitted):
        return Story(value.task, record)
    return Story(value.again, record) if isinstance(value, ev.NotSatisfied) else None


def _take(story: Story, at_ns: int, value: Any) -> None:
    story.steps.append((at_ns, value))
    if isinstance(value, do.Finish) and story.outcome is None:
        story.outcome, story.ended_ns = value.outcome, at_ns
