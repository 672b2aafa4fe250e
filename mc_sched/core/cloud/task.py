"""One task's record on the cloud."""

from __future__ import annotations

from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import Arrived
from mc_sched.core.scores import NOTHING, Score, format_story_line
from mc_sched.core.tables import Exit
from mc_sched.core.transitions import CLOUD_STATE, CloudState


class CloudTask:
    """State of one task from its arrival until its reply, refusal or stop."""

    def __init__(self, arrived: Arrived, candidates: tuple[Exit, ...], next_stage: int = 0) -> None:
        self.arrived = arrived
        self.candidates = candidates
        """Exits that are accurate enough, closest to the input first; the first is the target."""
        self.task_id = arrived.task_id
        """The task's id on this node."""
        self.due_ns = arrived.now_ns + arrived.budget_ns
        """When the reply must be back on the edge, on this node's clock."""
        self.state = CloudState.WAITING
        self.next_stage = next_stage
        """The stage that comes next; at first the one that its codec enters at."""
        self.compute_ns = 0
        self.took_ns: dict[int, int] = {}
        """Time of each stage that it has behind it."""
        self.expected_wait = NOTHING
        """Until its first stage, if others are before it and it has not run yet."""
        self.feasible_ns = -1
        """When it was last found to be in time still; nothing changes that at that moment."""
        self.reported_end_ns = 0
        """When the reply leaves, as the edge was last told."""
        self.story: list[tuple[int, str | Score]] = []

    @property
    def target(self) -> Exit:
        """The candidate closest to the input."""
        return self.candidates[0]

    @property
    def stage_ahead(self) -> int:
        """The stage that follows the running one, or the next one while none runs."""
        return self.next_stage + (self.state is CloudState.IN_STAGE)

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
        codec = self.arrived.codec
        better = (
            e
            for e in self.candidates
            if e.stage > current.stage and e.accuracy[codec] > current.accuracy[codec]
        )
        return next(better, None)

    @property
    def reply_by_ns(self) -> int:
        """When the edge may take the task back, on this node's clock; else the deadline."""
        reply_in_ns = self.arrived.reply_in_ns
        return self.due_ns if reply_in_ns is None else self.arrived.now_ns + reply_in_ns

    def move(self, move: str) -> None:
        """Change state; an unlisted move raises UnexpectedEvent with the story."""
        try:
            self.state = CLOUD_STATE[self.state][move]
        except KeyError:
            raise UnexpectedEvent("cloud", self.state.value, move, self.format_story()) from None

    def format_story(self) -> tuple[str, ...]:
        """The story so far, times since arrival."""
        start = self.arrived.now_ns
        head = f"{self.task_id}: budget {self.arrived.budget_ns / 1e6:.1f} ms"
        return (
            head,
            *(
                f"{(at - start) / 1e6:8.2f} ms  {format_story_line(what)}"
                for at, what in self.story
            ),
        )
