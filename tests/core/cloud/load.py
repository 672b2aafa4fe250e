"""A cloud machine under Poisson arrivals, with a noisy executor and decoders, in virtual time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import ExitRule
from tests.core.round_figures import ANSWER, MS, START_NS

DOWN_NS = 5 * MS


@dataclass
class Load:
    """Tasks that arrive at random."""

    per_s: float
    accuracies: Sequence[float] = (0.75,)
    budgets_ms: Sequence[float] = (84.0,)
    rule: ExitRule = ExitRule.ADAPTIVE
    given_up: float = 0.0
    """Share of the tasks that are given up at half of their budget."""


@dataclass
class Result:
    """Counts of one run."""

    seconds: float
    counts: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    """Stages run, by batch size."""

    @property
    def goodput(self) -> float:
        """Answers in time per second."""
        return self.counts["good"] / self.seconds

    @property
    def late(self) -> float:
        """Share of the accepted tasks that got no answer in time."""
        return self.counts["late"] / max(1, self.counts["late"] + self.counts["good"])

    @property
    def mean_size(self) -> float:
        """Mean number of tasks per stage run."""
        return sum(n * times for n, times in self.sizes.items()) / max(1, self.sizes.total())


class LoadedCloud:
    """The machine and its driver on a virtual clock."""

    def __init__(
        self, table: CloudTable, truth: CloudTable | None = None, seed=1, noise=0.1,
        handover_ms=0.05, **settings,
    ) -> None:  # fmt: skip
        self.machine = CloudMachine(CloudSettings(**settings), table)
        self.table, self.truth = table, truth or table
        self.noise, self.handover_ns = noise, round(handover_ms * MS)
        self.draw = Random(seed)
        self.now_ns = START_NS
        self.events: list = []
        self.numbers, self.ids = count(), count()
        self.leave_by: dict[str, int] = {}
        self.accepted: set[str] = set()
        self.unwanted: set[str] = set()
        self.slowdown = 1.0
        """Factor of all times of the executor."""

    def run(self, load: Load, seconds: float, rest_s: float = 1.0) -> Result:
        """Let tasks arrive for so long; count those that arrive after `rest_s` of it."""
        self.result = Result(seconds)
        begin_ns = self.now_ns
        at_ns = begin_ns
        while True:
            at_ns += round(self.draw.expovariate(load.per_s) * 1e9)
            if at_ns > begin_ns + (rest_s + seconds) * 1e9:
                break
            counted = at_ns >= begin_ns + rest_s * 1e9
            self._at(at_ns, self._arrive, load, counted)
        while self.events:
            self.now_ns, _, call, args = heappop(self.events)
            call(*args)
        assert self.machine.is_idle
        return self.result

    def _at(self, at_ns, call, *args) -> None:
        heappush(self.events, (at_ns, next(self.numbers), call, args))

    def _arrive(self, load: Load, counted: bool) -> None:
        task_id = f"{'t' if counted else 'u'}{next(self.ids)}"
        budget_ns = round(self.draw.choice(load.budgets_ms) * MS)
        self.leave_by[task_id] = self.now_ns + budget_ns - DOWN_NS
        if self.draw.random() < load.given_up:
            self._at(self.now_ns + budget_ns // 2, self._give_up, task_id)
        accuracy = self.draw.choice(load.accuracies)
        received = ev.Received(
            self.now_ns, task_id, "edge", accuracy, budget_ns, DOWN_NS, "jpeg", load.rule
        )
        self._count(task_id, "offered")
        self.feed(received)

    def _give_up(self, task_id: str) -> None:
        if task_id in self.leave_by:
            self.unwanted.add(task_id)
            self.feed(ev.GiveUpReceived(self.now_ns, task_id))

    def feed(self, event: ev.CloudEvent) -> None:
        """Hand one event to the machine and perform its actions."""
        for action in self.machine.handle(event):
            self._perform(action)

    def _perform(self, action: do.CloudAction) -> None:
        if isinstance(action, do.Decode):
            took_ns = self._took_ns(self.truth.codec_named(action.codec).decode_ns)
            self._at(self.now_ns + took_ns, self._decoded, action.task_id, took_ns)
        elif isinstance(action, do.RunStage):
            self.result.sizes[len(action.task_ids)] += 1
            known_ns = self.truth.stage_time_ns(action.stage, len(action.task_ids))
            took_ns = self._took_ns(known_ns * self.slowdown)
            self._at(self.now_ns + took_ns + self.handover_ns, self._stage_done, action, took_ns)
        elif isinstance(action, do.RunHead):
            exit_ = self.truth.exit_named(action.exit)
            known_ns = self.truth.head_time_ns(exit_, len(action.task_ids))
            took_ns = self._took_ns(known_ns * self.slowdown)
            self._at(self.now_ns + took_ns + self.handover_ns, self._head_done, action, took_ns)
        elif isinstance(action, do.Accept):
            self.accepted.add(action.task_id)
        elif isinstance(action, do.Reply | do.Refuse | do.Stop | do.Reject):
            self._end(action)

    def _end(self, action) -> None:
        task_id = action.task_id
        leave_by_ns = self.leave_by.pop(task_id)
        if isinstance(action, do.Reply):
            in_time = self.now_ns <= leave_by_ns
            self._count(task_id, "good" if in_time else "late")
        elif task_id in self.unwanted:
            self._count(task_id, "given up")
        else:
            self._count(task_id, "late" if task_id in self.accepted else "refused")
            if isinstance(action, do.Refuse) and task_id in self.accepted:
                raise AssertionError("refused after its acceptance")

    def _count(self, task_id: str, what: str) -> None:
        if task_id[0] == "t":
            self.result.counts[what] += 1

    def _took_ns(self, known_ns: float) -> int:
        return round(known_ns * self.draw.lognormvariate(0, self.noise))

    def _decoded(self, task_id: str, took_ns: int) -> None:
        self.feed(ev.Decoded(self.now_ns, task_id, took_ns))

    def _stage_done(self, action: do.RunStage, took_ns: int) -> None:
        self.feed(ev.StageDone(self.now_ns, action.task_ids, action.stage, took_ns))

    def _head_done(self, action: do.RunHead, took_ns: int) -> None:
        answers = (ANSWER,) * len(action.task_ids)
        self.feed(ev.HeadDone(self.now_ns, action.task_ids, action.exit, answers, took_ns))
