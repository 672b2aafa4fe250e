"""State that the parts of the edge machine share: its tasks, the current moment, its actions."""

from __future__ import annotations

from collections.abc import Collection

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Score, ScoreBook


class EdgeState:
    """The tasks by id, in order of arrival, and the actions for the current event so far."""

    def __init__(self, scores: ScoreBook) -> None:
        self._scores = scores
        self.tasks: dict[str, EdgeTask] = {}
        self.open = 0
        """Number of tasks without an outcome."""
        self.now_ns = 0
        self.actions: list[do.EdgeAction] = []

    def begin(self, now_ns: int) -> None:
        """Start on the next event, with no actions yet."""
        self.now_ns = now_ns
        self.actions = []

    @property
    def entries(self) -> Collection[EdgeTask]:
        """All tasks, including those with an outcome whose legs are not closed yet."""
        return self.tasks.values()

    def entry(self, event: ev.EdgeEvent, task_id: str, detail: str = "") -> EdgeTask:
        """Return the task that an event is about and add the event to its story.

        Raises UnexpectedEvent if there is no task of this id.
        """
        entry = self.tasks.get(task_id)
        name = type(event).__name__
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", name, (task_id,))
        self.note(entry, f"{name} {detail}" if detail else name)
        return entry

    def note(self, entry: EdgeTask, name: str) -> None:
        """Add a line to the task's story."""
        entry.story.append((self.now_ns, name))

    def record(self, entry: EdgeTask, scores: tuple[Score, ...]) -> None:
        """Record the scores of a task's forecasts whose actual times are now known."""
        for score in scores:
            entry.story.append((self.now_ns, score))
            self._scores.add(score)
            self.actions.append(do.RecordScore(entry.task.task_id, score))

    def set_timer(self, entry: EdgeTask, kind: TimerKind, at_ns: int) -> None:
        """Set a timer of this task."""
        entry.timers.add(kind)
        self.actions.append(do.SetTimer(entry.task.task_id, kind, at_ns))

    def cancel_timer(self, entry: EdgeTask, kind: TimerKind) -> None:
        """Cancel a timer of this task if it is set."""
        if kind in entry.timers:
            entry.timers.discard(kind)
            self.actions.append(do.CancelTimer(entry.task.task_id, kind))

    def forget_over(self) -> None:
        """Forget the tasks to which nothing can happen any more."""
        over = [task_id for task_id, entry in self.tasks.items() if entry.over]
        for task_id in over:
            del self.tasks[task_id]
