"""What the parts of the edge machine work on together: the tasks here, the moment, the actions."""

from __future__ import annotations

from collections.abc import Collection

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Score, ScoreBook


class EdgeState:
    """The tasks by id, in order of arrival, and what the event at hand has called for so far."""

    def __init__(self, scores: ScoreBook) -> None:
        self._scores = scores
        self.tasks: dict[str, EdgeTask] = {}
        self.open = 0
        """How many tasks still lack their outcome."""
        self.now_ns = 0
        self.actions: list[do.EdgeAction] = []

    def begin(self, now_ns: int) -> None:
        """The next event: nothing is asked of the driver yet."""
        self.now_ns = now_ns
        self.actions = []

    @property
    def entries(self) -> Collection[EdgeTask]:
        """All tasks that are here, those with an outcome whose legs still move among them."""
        return self.tasks.values()

    def entry(self, event: ev.EdgeEvent, task_id: str, detail: str = "") -> EdgeTask:
        """The task that an event is about, with the event in its story.

        Raises UnexpectedEvent where there is none of this id.
        """
        entry = self.tasks.get(task_id)
        name = type(event).__name__
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", name, (task_id,))
        self.note(entry, f"{name} {detail}" if detail else name)
        return entry

    def note(self, entry: EdgeTask, name: str) -> None:
        """A line of the task's story."""
        entry.story.append((self.now_ns, name))

    def record(self, entry: EdgeTask, scores: tuple[Score, ...]) -> None:
        """Enter the scores of a task's forecasts, whose truth is known now."""
        for score in scores:
            entry.story.append((self.now_ns, score))
            self._scores.add(score)
            self.actions.append(do.RecordScore(entry.task.task_id, score))

    def set_timer(self, entry: EdgeTask, kind: TimerKind, at_ns: int) -> None:
        """Be woken at that moment for this task."""
        entry.timers.add(kind)
        self.actions.append(do.SetTimer(entry.task.task_id, kind, at_ns))

    def cancel_timer(self, entry: EdgeTask, kind: TimerKind) -> None:
        """Not to be woken any more; harmless where the timer is not set."""
        if kind in entry.timers:
            entry.timers.discard(kind)
            self.actions.append(do.CancelTimer(entry.task.task_id, kind))

    def forget_over(self) -> None:
        """Let go of the tasks to which nothing can happen any more."""
        over = [task_id for task_id, entry in self.tasks.items() if entry.over]
        for task_id in over:
            del self.tasks[task_id]
