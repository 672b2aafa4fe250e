"""CloudMachine: Algorithm II of the paper, the cloud performance model, as a state machine.

A task arrives with what is left of its deadline. The acceptable exit closest to the input becomes
its target, or it is refused. Then it runs stage by stage; between stages the machine looks at
give-up, at the exits and at the clock. The executor has one job at a time, and the task that is
due first gets it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud_task import CloudTask
from mc_sched.core.errors import InvariantBroken, UnexpectedEvent
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.task import ExitRule
from mc_sched.core.transitions import CloudState

REMEMBERED_EDGES = 1024
"""Edges whose link state is kept; the one not heard of for longest goes first."""
NEWS_NS = 2_000_000
"""A forecast that moves by less is not worth a message, which costs the running stage its turn."""
WORKING = (CloudState.IN_STAGE, CloudState.IN_HEAD, CloudState.STOPPING)


@dataclass(frozen=True)
class CloudLoad:
    """What a probe is told: work that waits here, and measured over profiled time."""

    queue_ns: int
    slowdown: float
    tasks: int


class CloudMachine:
    """The cloud performance model of one executor."""

    def __init__(self, settings: CloudSettings, table: CloudTable) -> None:
        self._settings = settings
        self._table = table
        self._times = CloudTimePredictor(table, settings.quantile)
        self._tasks: dict[str, CloudTask] = {}
        self._working: CloudTask | None = None
        self._working_since_ns = 0
        self._down_ns: OrderedDict[str, int] = OrderedDict()
        self._draining = False
        self._now_ns = 0
        self._actions: list[do.CloudAction] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Arrived: self._on_arrived,
            ev.StageDone: self._on_stage_done,
            ev.HeadDone: self._on_head_done,
            ev.ExecutorFailed: self._on_executor_failed,
            ev.GiveUpReceived: self._on_unwanted,
            ev.ClientGone: self._on_unwanted,
            ev.LinkSampled: self._on_link_sampled,
            ev.Drain: self._on_drain,
        }

    # --- the two calls of a driver ----------------------------------------------------------

    def handle(self, event: ev.CloudEvent) -> list[do.CloudAction]:
        """Take one event, return the actions it calls for, in order.

        Raises UnexpectedEvent where the table allows no such event.
        """
        self._now_ns = event.now_ns
        self._actions = []
        self._handlers[type(event)](event)
        self._dispatch()
        return self._actions

    def load(self, now_ns: int) -> CloudLoad:
        """What a probe is told."""
        self._now_ns = now_ns
        queue_ns = self._work_ahead_ns(due_ns=None)
        return CloudLoad(queue_ns, self._times.slowdown(now_ns), len(self._tasks))

    @property
    def is_idle(self) -> bool:
        """Whether no task is here."""
        return not self._tasks

    # --- arrival ----------------------------------------------------------------------------

    def _on_arrived(self, event: ev.Arrived) -> None:
        if event.task_id in self._tasks:
            story = self._tasks[event.task_id].told()
            raise UnexpectedEvent("cloud", "open", f"second task {event.task_id}", story)
        due_ns = event.now_ns + event.budget_ns
        queue_ns = self._work_ahead_ns(due_ns)
        accurate = self._table.acceptable(event.codec, event.accuracy)
        left_ns = event.budget_ns - queue_ns - self._way_back_ns(event)
        candidates = tuple(e for e in accurate if self._times.upper_ns(event.now_ns, e) <= left_ns)
        if self._draining:
            self._refuse(event, "the agent is shutting down")
        elif len(self._tasks) >= self._settings.max_tasks:
            self._refuse(event, f"{self._settings.max_tasks} tasks are here, the limit max_tasks")
        elif not accurate:
            self._refuse(event, self._inaccurate(event))
        elif not candidates:
            self._refuse(event, self._too_slow(event, accurate, left_ns))
        else:
            self._accept(event, accurate[accurate.index(candidates[0]) :], queue_ns)

    def _accept(self, event: ev.Arrived, candidates: tuple[Exit, ...], queue_ns: int) -> None:
        task = CloudTask(event, candidates)
        self._tasks[event.task_id] = task
        self._note(task, "Arrived")
        task.told_end_ns = event.now_ns + queue_ns + self._times.mean_ns(event.now_ns, task.target)
        predicted_ns = queue_ns + self._times.upper_ns(event.now_ns, task.target)
        self._actions.append(do.Accept(event.task_id, task.target.name, predicted_ns, queue_ns))

    def _refuse(self, event: ev.Arrived, reason: str) -> None:
        self._actions.append(do.Refuse(event.task_id, reason))

    def _inaccurate(self, event: ev.Arrived) -> str:
        best = max((e.accuracy.get(event.codec, 0.0) for e in self._table.exits), default=0.0)
        return f"the best exit reaches accuracy {best:.3f}, {event.accuracy:.3f} is demanded"

    def _too_slow(self, event: ev.Arrived, accurate: tuple[Exit, ...], left_ns: int) -> str:
        needed_ns = min(self._times.upper_ns(event.now_ns, e) for e in accurate)
        return (
            f"the first acceptable exit needs {needed_ns / 1e6:.1f} ms, "
            f"{max(0, left_ns) / 1e6:.1f} ms are left"
        )

    # --- between stages ---------------------------------------------------------------------

    def _on_stage_done(self, event: ev.StageDone) -> None:
        for task_id in event.task_ids:
            task = self._worked(event, task_id, event.took_ns)
            stopped = task.state is CloudState.STOPPING
            task.move("StageDone")
            self._times.record(event.now_ns, self._table.stage_ns[event.stage], event.took_ns)
            if stopped:
                self._end(task, do.Stop(task_id, "given up", task.compute_ns))
            else:
                task.next_stage = event.stage + 1
                self._between_stages(task)

    def _between_stages(self, task: CloudTask) -> None:
        """The decision at every branch: load this output layer, or go on without it."""
        if self._hopeless(task):
            task.move("stop")
            reason = "the deadline cannot be met any more"
            self._end(task, do.Stop(task.task_id, reason, task.compute_ns))
            return
        exit_ = task.exit_behind(task.next_stage - 1)
        if exit_ is not None and not self._goes_on(task, exit_):
            task.move("run_head")
            self._working, self._working_since_ns = task, self._now_ns
            self._actions.append(do.RunHead(task.task_id, exit_.name))
            return
        self._tell_news(task)

    def _tell_news(self, task: CloudTask) -> None:
        remaining_ns = self._remaining_ns(task)
        end_ns = self._now_ns + remaining_ns
        if abs(end_ns - task.told_end_ns) >= NEWS_NS:
            task.told_end_ns = end_ns
            self._actions.append(do.Progress(task.task_id, task.next_stage - 1, remaining_ns))

    def _goes_on(self, task: CloudTask, exit_: Exit) -> bool:
        """Whether a better exit is pursued behind `exit_` (Algorithm II, steps 3 and 4)."""
        rule = task.arrived.exit_rule
        following = task.next_exit(exit_)
        if following is None or rule is ExitRule.EARLIEST:
            return False
        if rule is ExitRule.ADAPTIVE and any(other is not task for other in self._tasks.values()):
            return False
        to_next_ns = self._times.upper_ns(self._now_ns, following, task.next_stage)
        return to_next_ns <= self._left_ns(task)

    def _hopeless(self, task: CloudTask) -> bool:
        """Whether even the mean time to the target, or to the head just reached, is too long."""
        to_target_ns = self._times.mean_ns(self._now_ns, task.target, task.next_stage)
        return to_target_ns > self._left_ns(task)

    def _on_head_done(self, event: ev.HeadDone) -> None:
        task = self._worked(event, event.task_id, event.took_ns)
        stopped = task.state is CloudState.STOPPING
        task.move("HeadDone")
        if stopped:
            self._end(task, do.Stop(task.task_id, "given up", task.compute_ns))
            return
        del self._tasks[task.task_id]
        load = self.load(event.now_ns)
        self._actions.append(
            do.Reply(
                task.task_id, event.exit, event.prediction, task.compute_ns,
                load.queue_ns, load.slowdown,
            )
        )  # fmt: skip

    def _on_executor_failed(self, event: ev.ExecutorFailed) -> None:
        task = self._worked(event, event.task_id, 0)
        task.move("ExecutorFailed")
        self._end(task, do.Stop(task.task_id, event.reason, task.compute_ns))

    def _worked(self, event: ev.CloudEvent, task_id: str, took_ns: int) -> CloudTask:
        task = self._tasks.get(task_id)
        if task is None or self._working is not task:
            story = (task_id,) if task is None else task.told()
            raise UnexpectedEvent("cloud", "not working on it", type(event).__name__, story)
        self._note(task, type(event).__name__)
        self._working = None
        task.compute_ns += took_ns
        return task

    # --- no longer wanted -------------------------------------------------------------------

    def _on_unwanted(self, event: ev.GiveUpReceived | ev.ClientGone) -> None:
        task = self._tasks.get(event.task_id)
        if task is None:
            return  # it crossed our reply, or it is the second one
        name = type(event).__name__
        self._note(task, name)
        if task.state is CloudState.WAITING:
            task.move("stop")
            self._end(task, do.Stop(task.task_id, "given up", task.compute_ns))
        else:
            task.move(name)

    def _on_link_sampled(self, event: ev.LinkSampled) -> None:
        self._down_ns[event.edge_id] = event.rtt_ns // 2
        self._down_ns.move_to_end(event.edge_id)
        if len(self._down_ns) > REMEMBERED_EDGES:
            self._down_ns.popitem(last=False)

    def _on_drain(self, event: ev.Drain) -> None:
        self._draining = True

    def _end(self, task: CloudTask, action: do.Stop) -> None:
        del self._tasks[task.task_id]
        self._actions.append(action)

    # --- the executor -----------------------------------------------------------------------

    def _dispatch(self) -> None:
        if self._working is not None:
            return
        waiting = [t for t in self._tasks.values() if t.state is CloudState.WAITING]
        if not waiting:
            return
        task = min(waiting, key=lambda t: t.due_ns)
        task.move("run_stage")
        self._working, self._working_since_ns = task, self._now_ns
        self._actions.append(do.RunStage((task.task_id,), task.next_stage))

    # --- times ------------------------------------------------------------------------------

    def _work_ahead_ns(self, due_ns: int | None) -> int:
        """Work to be done before a task due at `due_ns` (None: all work), on the mean."""
        ahead_ns = 0
        for task in self._tasks.values():
            if task is self._working or due_ns is None or task.due_ns <= due_ns:
                ahead_ns += self._remaining_ns(task)
        return ahead_ns

    def _remaining_ns(self, task: CloudTask) -> int:
        """Mean time until this task's reply leaves, were it alone."""
        if task.state is CloudState.STOPPING:
            running_ns = self._table.stage_ns[min(task.next_stage, len(self._table.stage_ns) - 1)]
            return max(0, running_ns - (self._now_ns - self._working_since_ns))
        exit_ = task.target if task.target.stage >= task.next_stage else task.candidates[-1]
        left_ns = self._times.mean_ns(self._now_ns, exit_, task.next_stage)
        if task is self._working:
            left_ns -= self._now_ns - self._working_since_ns
        return max(0, left_ns)

    def _left_ns(self, task: CloudTask) -> int:
        return task.due_ns - self._now_ns - self._way_back_ns(task.arrived)

    def _way_back_ns(self, arrived: ev.Arrived) -> int:
        """Forecast of the way back: the link's latest state, or what the edge said at the start."""
        return self._down_ns.get(arrived.edge_id, arrived.down_ns)

    def _note(self, task: CloudTask, name: str) -> None:
        task.story.append((self._now_ns, name))

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        working = [t for t in self._tasks.values() if t.state in WORKING]
        _must(len(working) <= 1, "the executor has two jobs")
        _must((self._working is None) == (not working), "the executor's job is not on the books")
        _must(len(self._tasks) <= self._settings.max_tasks, "more tasks than max_tasks")
        for task_id, task in self._tasks.items():
            _must(task_id == task.task_id, f"{task_id} is filed under another name")
            _must(task.state is not CloudState.DONE, f"{task_id} is done and still here")
            _must(task.next_stage <= task.candidates[-1].stage + 1, f"{task_id} ran past its exits")
        waiting = any(t.state is CloudState.WAITING for t in self._tasks.values())
        _must(bool(working) or not waiting, "a task waits before an idle executor")


def _must(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBroken(f"cloud machine: {message}")
