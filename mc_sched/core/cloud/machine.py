"""CloudMachine: Algorithm II of the paper, the cloud performance model, as a state machine.

A task arrives with what is left of its deadline. The acceptable exit closest to the input becomes
its target, or it is refused. Then it runs stage by stage; between stages the machine looks at
give-up, at the exits and at the clock. The executor has one job at a time, and the task that is
due first gets it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.admission import CloudAdmission
from mc_sched.core.cloud.decode_queue import DecodeQueue
from mc_sched.core.cloud.schedule import CloudSchedule, Piece
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import InvariantBroken, UnexpectedEvent
from mc_sched.core.histogram import Histogram
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import NOTHING, Reliability, Score, ScoreBook
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.task import ExitRule
from mc_sched.core.transitions import CloudState
from mc_sched.core.value import value

REMEMBERED_EDGES = 1024
"""Edges whose link state is kept; the one not heard of for longest goes first."""
NEWS_NS = 2_000_000
"""A forecast that moves by less is not worth a message, which costs the running stage its turn."""
WORKING = (CloudState.IN_STAGE, CloudState.IN_HEAD, CloudState.STOPPING)


@value
class CloudLoad:
    """What a probe is told: work that waits here, and measured over profiled time."""

    queue_ns: int
    slowdown: float
    tasks: int


class CloudMachine:
    """The cloud performance model of one executor."""

    def __init__(self, settings: CloudSettings, table: CloudTable) -> None:
        self._settings = settings
        self._times = CloudTimePredictor(table, settings.quantile)
        self._schedule = CloudSchedule(self._times, settings.quantile)
        self._admission = CloudAdmission(table, self._times)
        self._decoding = DecodeQueue(table, self._times)
        self._scores = ScoreBook()
        self._tasks: dict[str, CloudTask] = {}
        self._down_ns: OrderedDict[str, int] = OrderedDict()
        self._most_tasks = settings.max_tasks
        """The highest max_tasks so far: tasks that a lower one would refuse may still be here."""
        self._draining = False
        self._now_ns = 0
        self._actions: list[do.CloudAction] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Received: self._on_received,
            ev.Arrived: self._on_arrived,
            ev.StageDone: self._on_stage_done,
            ev.HeadDone: self._on_head_done,
            ev.ExecutorFailed: self._on_executor_failed,
            ev.GiveUpReceived: self._on_unwanted,
            ev.ClientGone: self._on_unwanted,
            ev.LinkSampled: self._on_link_sampled,
            ev.CloudReconfigured: self._on_reconfigured,
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
        if self._tasks:
            self._dispatch()
        return self._actions

    def load(self, now_ns: int) -> CloudLoad:
        """What a probe is told."""
        self._now_ns = now_ns
        return CloudLoad(self._wait_ns(), self._times.slowdown(now_ns), self._here)

    def reliability(self) -> dict[str, Reliability]:
        """How good this node's forecasts were, by predictor."""
        return self._scores.reliability()

    def took(self) -> dict[str, Histogram]:
        """How long everything took that was forecast, by predictor."""
        return self._scores.took()

    def has(self, task_id: str) -> bool:
        """Whether a task of this id is here, be it only to be stopped."""
        return task_id in self._tasks

    def awaits(self, task_id: str) -> bool:
        """Whether this task's payload is to be decoded: it was received, and is still wanted."""
        return task_id in self._decoding

    @property
    def is_idle(self) -> bool:
        """Whether no task is here."""
        return not self._here

    @property
    def _here(self) -> int:
        """How many tasks wait or run, those before the decoder among them."""
        return len(self._tasks) + len(self._decoding)

    def _wait_ns(self) -> int:
        """Until the executor would begin with a payload that comes now, last of all."""
        executor_ns = self._schedule.ahead_ns(self._now_ns, self._tasks.values(), due_ns=None)
        return self._decoding.wait_ns(self._now_ns, executor_ns)

    # --- arrival ----------------------------------------------------------------------------

    def _on_arrived(self, event: ev.Arrived) -> None:
        if event.task_id in self._tasks:
            story = self._tasks[event.task_id].format_story()
            raise UnexpectedEvent("cloud", "open", f"second task {event.task_id}", story)
        self._decoding.remove(event.now_ns, event.task_id)
        due_ns = event.now_ns + event.budget_ns
        queue_ns = self._schedule.ahead_ns(event.now_ns, self._tasks.values(), due_ns)
        candidates = self._candidates(event, queue_ns)
        if isinstance(candidates, str):
            self._refuse(event, candidates)
        else:
            self._accept(event, candidates, queue_ns)

    def _on_received(self, event: ev.Received) -> None:
        """Refused before it costs the decoder time, if it would be too late behind the others."""
        queue_ns = self._wait_ns() + self._decoding.decode_ns(event.codec)
        candidates = self._candidates(event, queue_ns)
        if isinstance(candidates, str):
            self._refuse(event, candidates)
        else:
            self._decoding.add(event)

    def _candidates(self, event: ev.Arrived | ev.Received, queue_ns: int) -> tuple[Exit, ...] | str:
        """The exits in time behind `queue_ns` of other work, or the reason to refuse."""
        if self._draining:
            return "the agent is shutting down"
        if self._here >= self._settings.max_tasks:
            return f"{self._settings.max_tasks} tasks are here, the limit max_tasks"
        left_ns = event.budget_ns - queue_ns - self._way_back_ns(event)
        return self._admission.candidates(event, left_ns)

    def _refuse(self, event: ev.Arrived | ev.Received, reason: str) -> None:
        self._actions.append(do.Refuse(event.task_id, reason))

    def _accept(self, event: ev.Arrived, candidates: tuple[Exit, ...], queue_ns: int) -> None:
        task = CloudTask(event, candidates, self._admission.first_stage(event))
        self._tasks[event.task_id] = task
        self._note(task, "Arrived")
        alone_ns = self._times.mean_ns(event.now_ns, task.target, task.next_stage)
        task.reported_end_ns = event.now_ns + queue_ns + alone_ns
        if queue_ns > 0:
            task.expected_wait = self._schedule.wait(event.now_ns, queue_ns)
        predicted_ns = queue_ns + self._times.upper_ns(event.now_ns, task.target, task.next_stage)
        self._actions.append(do.Accept(event.task_id, task.target.name, predicted_ns, queue_ns))

    # --- between stages ---------------------------------------------------------------------

    def _on_stage_done(self, event: ev.StageDone) -> None:
        for task_id in event.task_ids:
            piece = self._working_on(event, task_id, do.RunStage(event.task_ids, event.stage))
            task = piece.task
            stopped = task.state is CloudState.STOPPING
            self._worked(task, event, event.took_ns)
            score = self._times.record_stage(
                event.now_ns, event.stage, event.took_ns, piece.expected
            )
            task.took_ns[event.stage] = event.took_ns
            self._record(task, score)
            if stopped:
                self._end(task, do.Stop(task_id, "given up", task.compute_ns))
            else:
                task.next_stage, task.feasible_ns = event.stage + 1, -1
                self._between_stages(task)

    def _between_stages(self, task: CloudTask) -> None:
        """The decision at every branch: load this output layer, or go on without it."""
        exit_ = task.exit_behind(task.next_stage - 1)
        if self._is_infeasible(task) and not self._can_answer(task, exit_):
            self._stop_infeasible(task)
        elif exit_ is None or self._goes_on(task, exit_):
            self._tell_news(task)
        else:
            self._load_head(task, exit_)

    def _load_head(self, task: CloudTask, exit_: Exit) -> None:
        task.move("run_head")
        self._run(task, do.RunHead(task.task_id, exit_.name))

    def _tell_news(self, task: CloudTask) -> None:
        others = [other for other in self._tasks.values() if other is not task]
        ahead_ns = self._schedule.ahead_ns(self._now_ns, others, task.due_ns)
        rest_ns = self._schedule.rest_ns(self._now_ns, task, pressed=bool(others))
        end_ns = self._now_ns + ahead_ns + rest_ns
        if abs(end_ns - task.reported_end_ns) >= NEWS_NS:
            task.reported_end_ns = end_ns
            self._actions.append(do.Progress(task.task_id, task.next_stage - 1, ahead_ns + rest_ns))

    def _goes_on(self, task: CloudTask, exit_: Exit) -> bool:
        """Whether a better exit is pursued behind `exit_` (Algorithm II, steps 3 and 4)."""
        rule = task.arrived.exit_rule
        following = task.next_exit(exit_)
        if following is None or rule is ExitRule.EARLIEST:
            return False
        if rule is ExitRule.ADAPTIVE and len(self._tasks) > 1:
            return False
        others = [other for other in self._tasks.values() if other is not task]
        ahead_ns = self._schedule.ahead_ns(self._now_ns, others, task.due_ns)
        to_next_ns = ahead_ns + self._times.upper_ns(self._now_ns, following, task.next_stage)
        back_ns = self._now_ns + to_next_ns + self._way_back_ns(task.arrived)
        return back_ns <= task.reply_by_ns

    def _is_infeasible(self, task: CloudTask) -> bool:
        """Whether even the mean time to the soonest exit ahead is too long."""
        if task.feasible_ns == self._now_ns:
            return False
        infeasible = self._schedule.nearest_ns(self._now_ns, task) > self._left_ns(task)
        task.feasible_ns = -1 if infeasible else self._now_ns
        return infeasible

    def _can_answer(self, task: CloudTask, exit_: Exit | None) -> bool:
        """Whether the exit that the task stands behind, if any, would still be in time."""
        if exit_ is None:
            return False
        head_ns = self._times.mean_ns(self._now_ns, exit_, task.next_stage)
        return head_ns <= self._left_ns(task)

    def _stop_infeasible(self, task: CloudTask) -> None:
        task.move("stop")
        reason = "the deadline cannot be met any more"
        self._end(task, do.Stop(task.task_id, reason, task.compute_ns))

    def _on_head_done(self, event: ev.HeadDone) -> None:
        task = self._working_on(event, event.task_id, do.RunHead(event.task_id, event.exit)).task
        stopped = task.state is CloudState.STOPPING
        self._worked(task, event, event.took_ns)
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
        self._times.record_task(task.took_ns)

    def _on_executor_failed(self, event: ev.ExecutorFailed) -> None:
        task = self._working_on(event, event.task_id, None).task
        self._worked(task, event, 0)
        self._end(task, do.Stop(task.task_id, event.reason, task.compute_ns, failed=True))

    def _working_on(
        self, event: ev.CloudEvent, task_id: str, asked: do.RunStage | do.RunHead | None
    ) -> Piece:
        """The piece that the executor is at, which has to be this one of this task."""
        piece = self._schedule.piece
        task = self._tasks.get(task_id)
        if task is None or piece is None or piece.task is not task:
            story = (task_id,) if task is None else task.format_story()
            raise UnexpectedEvent("cloud", "not working on it", type(event).__name__, story)
        if asked is not None and asked != piece.action:
            raise UnexpectedEvent("cloud", f"at {piece.action}", f"{event}", task.format_story())
        return piece

    def _worked(self, task: CloudTask, event: ev.CloudEvent, took_ns: int) -> None:
        name = type(event).__name__
        self._note(task, name)
        task.move(name)
        self._schedule.piece = None
        task.compute_ns += took_ns

    # --- no longer wanted -------------------------------------------------------------------

    def _on_unwanted(self, event: ev.GiveUpReceived | ev.ClientGone) -> None:
        self._decoding.remove(event.now_ns, event.task_id)
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

    def _on_reconfigured(self, event: ev.CloudReconfigured) -> None:
        self._settings = event.settings
        self._most_tasks = max(self._most_tasks, event.settings.max_tasks)
        self._times.set_quantile(event.settings.quantile)
        self._schedule.set_quantile(event.settings.quantile)

    def _on_drain(self, event: ev.Drain) -> None:
        self._draining = True

    def _end(self, task: CloudTask, action: do.Stop) -> None:
        del self._tasks[task.task_id]
        self._actions.append(action)

    # --- the executor -----------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give an idle executor to the task that is due first, if it can still be in time."""
        while self._schedule.piece is None:
            task = self._first_due()
            if task is None:
                return
            passed = task.exit_behind(task.next_stage - 1)
            if self._is_infeasible(task):
                if passed is not None and self._can_answer(task, passed):
                    self._load_head(task, passed)  # it went on, and then others came first
                else:
                    self._stop_infeasible(task)
            else:
                self._has_waited(task)
                task.move("run_stage")
                self._run(task, do.RunStage((task.task_id,), task.next_stage))

    def _first_due(self) -> CloudTask | None:
        """The task that waits and is due first, if any waits."""
        first: CloudTask | None = None
        for task in self._tasks.values():
            if task.state is CloudState.WAITING and (first is None or task.due_ns < first.due_ns):
                first = task
        return first

    def _has_waited(self, task: CloudTask) -> None:
        if task.expected_wait is not NOTHING:
            score = self._schedule.waited(task, self._now_ns)
            task.expected_wait = NOTHING
            self._record(task, score)

    def _record(self, task: CloudTask, score: Score) -> None:
        task.story.append((self._now_ns, score))
        self._scores.add(score)
        self._actions.append(do.RecordScore(task.task_id, score))

    def _run(self, task: CloudTask, action: do.RunStage | do.RunHead) -> None:
        expected = NOTHING  # a head is too short to be forecast by itself
        if isinstance(action, do.RunStage):
            expected = self._times.stage(self._now_ns, action.stage)
        self._schedule.piece = Piece(task, action, self._now_ns, expected)
        self._actions.append(action)

    # --- times ------------------------------------------------------------------------------

    def _left_ns(self, task: CloudTask) -> int:
        return task.due_ns - self._now_ns - self._way_back_ns(task.arrived)

    def _way_back_ns(self, arrived: ev.Arrived | ev.Received) -> int:
        """Forecast of the way back: the link's latest state, or what the edge said at the start."""
        return self._down_ns.get(arrived.edge_id, arrived.down_ns)

    def _note(self, task: CloudTask, name: str) -> None:
        task.story.append((self._now_ns, name))

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        working = [t for t in self._tasks.values() if t.state in WORKING]
        _must(len(working) <= 1, "the executor has two jobs")
        piece = self._schedule.piece
        _must((piece is None) == (not working), "the executor's job is not on the books")
        _must(self._here <= self._most_tasks, "more tasks than max_tasks")
        for task_id, task in self._tasks.items():
            _must(task_id == task.task_id, f"{task_id} is filed under another name")
            _must(task.state is not CloudState.DONE, f"{task_id} is done and still here")
            _must(task.next_stage <= task.candidates[-1].stage + 1, f"{task_id} ran past its exits")
        waiting = any(t.state is CloudState.WAITING for t in self._tasks.values())
        _must(bool(working) or not waiting, "a task waits before an idle executor")


def _must(condition: bool, message: str) -> None:
    if not condition:
        raise InvariantBroken(f"cloud machine: {message}")
