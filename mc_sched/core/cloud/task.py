"""One task's record on the cloud."""

from __future__ import annotations

from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import Received
from mc_sched.core.predictors.batch_time import Path
from mc_sched.core.predictors.plan_margin import Waiting
from mc_sched.core.scores import NOTHING, Score, format_story_line
from mc_sched.core.tables import Exit
from mc_sched.core.transitions import CLOUD_STATE, CloudState


class CloudTask:
    """State of one task from the arrival of its payload until its reply, refusal or stop."""

    def __init__(self, received: Received, entry_stage: int) -> None:
        self.received = received
        self.task_id = received.task_id
        """The task's id on this node."""
        self.due_ns = received.now_ns + received.budget_ns
        """Deadline for the reply to be back on the edge, on this node's clock."""
        self.leave_by_ns = self.due_ns
        """Moment at which the reply has to leave this node, by the forecast of its transfer."""
        self.state = CloudState.QUEUED
        self.path: Path | None = None
        """The work ahead, behind the running piece, up to the head of the expected exit; None if
        there is none."""
        self.ready_in_ns = 0
        """Mean time from its arrival until it is decoded, forecast at its arrival."""
        self.decoded_ns = 0
        """Moment when the decoder was done with it."""
        self.candidates: tuple[Exit, ...] = ()
        """Acceptable exits, closest to the input first; the first is the target. Empty until the
        task is accepted."""
        self.next_stage = entry_stage
        """The stage that comes next; at first the one that the task's codec enters at."""
        self.trial_after_ns = 0
        """Time without a measurement before it was taken as a trial; 0 if it is none, and again
        from the end of its first stage."""
        self.compute_ns = 0
        self.took_ns: dict[int, int] = {}
        """Measured time of each stage that has run for this task alone."""
        self.expected_wait = NOTHING
        """Forecast of the wait for its first stage, if other tasks come first; reset after it."""
        self.waiting: Waiting | None = None
        """When it began to wait, if it waited at its acceptance; reset at its target."""
        self.feasible_ns = -1
        """Last moment at which it was found feasible; it is not checked twice at one moment."""
        self.reported_end_ns = 0
        """Moment at which the reply leaves, by the last report to the edge."""
        self.story: list[tuple[int, str | Score]] = []

    @property
    def target(self) -> Exit:
        """The candidate closest to the input."""
        return self.candidates[0]

    def exits_ahead(self) -> tuple[Exit, ...]:
        """Acceptable exits that lie ahead: behind the running stage, the next one, or later."""
        if self.candidates[0].stage >= self.next_stage:
            return self.candidates
        return tuple([e for e in self.candidates if e.stage >= self.next_stage])

    def exit_behind(self, stage: int) -> Exit | None:
        """The acceptable exit behind `stage`, if there is one."""
        for exit_ in self.candidates:
            if exit_.stage == stage:
                return exit_
        return None

    def next_exit(self, current: Exit) -> Exit | None:
        """The next exit that is better than `current`."""
        codec = self.received.codec
        better = (
            e
            for e in self.candidates
            if e.stage > current.stage and e.accuracy[codec] > current.accuracy[codec]
        )
        return next(better, None)

    @property
    def reply_by_ns(self) -> int:
        """Moment when the edge may fall back, on this node's clock; else the deadline."""
        reply_in_ns = self.received.reply_in_ns
        return self.due_ns if reply_in_ns is None else self.received.now_ns + reply_in_ns

    def move(self, move: str) -> None:
        """Change state; an unlisted move raises UnexpectedEvent with the story."""
        try:
            self.state = CLOUD_STATE[self.state][move]
        except KeyError:
            raise UnexpectedEvent("cloud", self.state.value, move, self.format_story()) from None

    def note(self, now_ns: int, name: str) -> None:
        """Add an event to the story."""
        self.story.append((now_ns, name))

    def format_story(self) -> tuple[str, ...]:
        """Return the story as lines, with times since the payload arrived."""
        start = self.received.now_ns
        head = f"{self.task_id}: budget {self.received.budget_ns / 1e6:.1f} ms"
        return (
            head,
            *(
                f"{(at - start) / 1e6:8.2f} ms  {format_story_line(what)}"
                for at, what in self.story
            ),
        )


def due(task: CloudTask) -> int:
    """Sort key of tasks by their deadlines."""
    return task.due_ns
