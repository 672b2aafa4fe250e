"""One task's story, from the events and actions of the simulated machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Score
from mc_sched.core.task import Outcome


@dataclass
class Span:
    """A span in ms since the task was submitted; `end_ms` is None if it never ended."""

    lane: str
    label: str
    start_ms: float
    end_ms: float | None = None


@dataclass
class Story:
    """Spans, moments and forecasts of one task."""

    task_id: str
    submitted_ns: int = 0
    deadline_ms: float = 0.0
    spans: list[Span] = field(default_factory=list)
    moments: dict[str, float] = field(default_factory=dict)
    """Times of moments by name, in ms since the task was submitted."""
    scores: list[Score] = field(default_factory=list)
    """Every forecast that was compared with the truth."""
    outcome: Outcome | None = None

    def record(self, node: str, event: Any, actions: list[Any]) -> None:
        """Take an event of any task and the machine's actions; see `Recorder`."""
        if isinstance(event, ev.Submitted) and event.task.task_id == self.task_id:
            self.submitted_ns = event.now_ns
            self.deadline_ms = event.task.deadline_ns / 1e6
        if any(map(self._is_ours, _tasks_of(event))):
            self._on_event(event)
        for action in actions:
            if self._is_for_ours(action):
                self._on_action(event.now_ns, action)

    def _is_ours(self, task_id: str) -> bool:
        """Return True for our task, whose id in the cloud begins with the name of its edge."""
        return task_id.rpartition("/")[2] == self.task_id

    def _is_for_ours(self, action: Any) -> bool:
        if isinstance(action, do.Finish):
            return self._is_ours(action.outcome.task_id)
        return any(map(self._is_ours, _tasks_of(action)))

    def _ms(self, now_ns: int) -> float:
        return (now_ns - self.submitted_ns) / 1e6

    def _begin(self, lane: str, label: str, now_ns: int) -> None:
        self.spans.append(Span(lane, label, self._ms(now_ns)))

    def _end(self, lane: str, now_ns: int) -> None:
        for span in self.spans:
            if span.lane == lane and span.end_ms is None:
                span.end_ms = self._ms(now_ns)

    # --- events and actions of both machines --------------------------------------------------

    def _on_action(self, now_ns: int, action: Any) -> None:
        if isinstance(action, do.Encode):
            self._begin("encoder", "features", now_ns)
        elif isinstance(action, do.SendToCloud):
            self._begin("uplink", "upload", now_ns)
        elif isinstance(action, do.Decode):
            self._begin("cloud", "decode", now_ns)
        elif isinstance(action, do.RunStage):
            self._begin("cloud", f"stage {action.stage + 1}", now_ns)
        elif isinstance(action, do.RunHead):
            self._begin("cloud", action.exit, now_ns)
        elif isinstance(action, do.Reply):
            self._begin("downlink", "reply", now_ns)
        elif isinstance(action, do.StartLocal):
            self._begin("local net", "local net", now_ns)
        elif isinstance(action, do.SendGiveUp):
            self._begin("give-up", "give-up", now_ns)
        elif isinstance(action, do.SetTimer) and action.kind is TimerKind.FALLBACK:
            self.moments["fallback timer"] = self._ms(action.at_ns)
        elif isinstance(action, do.RecordScore):
            self.scores.append(action.score)
        elif isinstance(action, do.Finish):
            self.outcome = action.outcome
            self.moments["answer"] = self._ms(now_ns)

    def _on_event(self, event: Any) -> None:
        now_ns = event.now_ns
        if isinstance(event, ev.Encoded):
            self._end("encoder", now_ns)
        elif isinstance(event, ev.Received):
            self._end("uplink", now_ns)
        elif isinstance(event, (ev.Decoded, ev.StageDone, ev.HeadDone)):
            self._end("cloud", now_ns)
        elif isinstance(event, ev.CloudReplied):
            self._end("downlink", now_ns)
        elif isinstance(event, (ev.LocalDone, ev.LocalAborted)):
            self._end("local net", now_ns)
        elif isinstance(event, ev.GiveUpReceived):
            self._end("give-up", now_ns)


def _tasks_of(step: Any) -> tuple[str, ...]:
    """Return the ids of the tasks that an event or an action is about."""
    several: tuple[str, ...] | None = getattr(step, "task_ids", None)
    return (getattr(step, "task_id", ""),) if several is None else several
