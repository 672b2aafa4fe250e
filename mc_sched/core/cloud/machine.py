"""CloudMachine: Algorithm II of the paper, the cloud performance model, as a state machine.

A payload arrives with the time that is left of its task's deadline. A task that would be late is
refused at once; the others are decoded, one after the other. A decoded task is accepted, with the
acceptable exit closest to the input as its target, or refused. Then it runs stage by stage, and
between two stages the machine checks for give-ups, exits and the deadline. The executor runs one
piece at a time, and the task with the earliest deadline gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.admission import CloudAdmission, Refusal
from mc_sched.core.cloud.decode_queue import DecodeQueue
from mc_sched.core.cloud.downlinks import Downlinks
from mc_sched.core.cloud.exit_choice import Choice, ExitChoice
from mc_sched.core.cloud.invariants import check_count, check_decoding, check_tasks
from mc_sched.core.cloud.schedule import CloudLoad, CloudSchedule, Piece, first_due
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.histogram import Histogram
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import NOTHING, Forecast, Reliability, Score, ScoreBook
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable, Exit
from mc_sched.core.transitions import CloudState

REPORTED_CHANGE_NS = 2_000_000
"""Smallest change of a forecast that is reported; each message delays the running stage."""


class CloudMachine:
    """The cloud performance model of one decoder and one executor."""

    def __init__(self, settings: CloudSettings, table: CloudTable) -> None:
        self._table = table
        self._times = CloudTimePredictor(table, settings.quantile)
        self._downlinks = Downlinks()
        self._schedule = CloudSchedule(self._times, settings.quantile)
        self._admission = CloudAdmission(
            table, self._times, self._downlinks, settings.quantile, settings.max_tasks
        )
        self._choice = ExitChoice(self._times, self._schedule, self._downlinks)
        self._decoding = DecodeQueue(table, self._times)
        self._scores = ScoreBook()
        self._tasks: dict[str, CloudTask] = {}
        """Accepted tasks; those before acceptance are in `_decoding`."""
        self._most_tasks = settings.max_tasks
        """Highest max_tasks so far; tasks that a lower one would refuse may still be open."""
        self._now_ns = 0
        self._actions: list[do.CloudAction] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Received: self._on_received,
            ev.Decoded: self._on_decoded,
            ev.DecodeFailed: self._on_decode_failed,
            ev.StageDone: self._on_stage_done,
            ev.HeadDone: self._on_head_done,
            ev.ExecutorFailed: self._on_executor_failed,
            ev.GiveUpReceived: self._on_unwanted,
            ev.ClientGone: self._on_unwanted,
            ev.LinkSampled: self._downlinks.record,
            ev.EdgeJoined: self._on_edge_joined,
            ev.EdgeLeft: lambda event: None,
            ev.CreditsWanted: lambda event: None,
            ev.CloudReconfigured: self._on_reconfigured,
            ev.Drain: self._on_drain,
        }

    # --- the driver's interface -------------------------------------------------------------

    def handle(self, event: ev.CloudEvent) -> list[do.CloudAction]:
        """Take one event, return the actions it calls for, in order.

        Raises UnexpectedEvent if the transition table does not allow the event.
        """
        self._now_ns = event.now_ns
        self._actions = []
        self._handlers[type(event)](event)
        if self._tasks:
            self._dispatch()
        if self._decoding.queued:
            self._decode_next()
        return self._actions

    def load(self, now_ns: int) -> CloudLoad:
        """Return the load at this moment. Reading it changes nothing."""
        return CloudLoad(
            self._wait_ns(now_ns), self._times.faded_slowdown(now_ns), self._open_tasks
        )

    def reliability(self) -> dict[str, Reliability]:
        """Reliability of this node's forecasts, by predictor."""
        return self._scores.reliability()

    def took(self) -> dict[str, Histogram]:
        """Measured durations of everything that was forecast, by predictor."""
        return self._scores.took()

    @property
    def is_idle(self) -> bool:
        """True if no task is open on this node."""
        return not self._open_tasks

    @property
    def _open_tasks(self) -> int:
        return len(self._tasks) + len(self._decoding)

    def _wait_ns(self, now_ns: int) -> int:
        """Wait of a payload that arrives now, behind all others, until its first stage."""
        executor_ns = self._schedule.ahead_ns(now_ns, self._tasks.values(), due_ns=None)
        return self._decoding.wait_ns(now_ns, executor_ns)

    def _find(self, task_id: str) -> CloudTask | None:
        return self._tasks.get(task_id) or self._decoding.find(task_id)

    def _story(self, task_id: str) -> tuple[str, ...]:
        task = self._find(task_id)
        return (task_id,) if task is None else task.format_story()

    # --- before acceptance ------------------------------------------------------------------

    def _on_received(self, event: ev.Received) -> None:
        """Refuse the task before it costs the decoder time, or queue it for the decoder."""
        task_id = event.task_id
        if self._find(task_id) is not None:
            name = f"second task {task_id}"
            raise UnexpectedEvent("cloud", "open", name, self._story(task_id))
        task = CloudTask(event, self._table.codec_named(event.codec).stage)
        task.note(event.now_ns, "Received")
        queue_ns = self._wait_ns(event.now_ns) + self._decoding.decode_ns(event.codec)
        candidates = self._candidates(task, queue_ns)
        if isinstance(candidates, Refusal):
            self._refuse(task, candidates)
        else:
            self._decoding.add(task)

    def _decode_next(self) -> None:
        task = self._decoding.begin_next(self._now_ns)
        if task is not None:
            task.move("decode")
            self._actions.append(do.Decode(task.task_id, task.received.codec))

    def _on_decoded(self, event: ev.Decoded) -> None:
        task = self._leave_decoder(event)
        if task is None:
            return
        task.decoded_ns = event.now_ns
        queue_ns = self._schedule.ahead_ns(event.now_ns, self._tasks.values(), task.due_ns)
        candidates = self._candidates(task, queue_ns)
        if isinstance(candidates, Refusal):
            self._refuse(task, candidates)
        else:
            self._accept(task, candidates, queue_ns)

    def _on_decode_failed(self, event: ev.DecodeFailed) -> None:
        task = self._leave_decoder(event)
        if task is not None:
            task.move("DecodeFailed")
            self._actions.append(do.Reject(task.task_id, event.reason, event.invalid))

    def _leave_decoder(self, event: ev.Decoded | ev.DecodeFailed) -> CloudTask | None:
        """Take the event's task out of the decoder; None if it was given up meanwhile."""
        name = type(event).__name__
        task = self._decoding.finish(event.task_id)
        if task is None:
            raise UnexpectedEvent("cloud", "not decoding it", name, self._story(event.task_id))
        task.note(event.now_ns, name)
        if task.state is not CloudState.DROPPED:
            return task
        task.move(name)
        self._actions.append(do.Stop(task.task_id, "given up before its first stage", 0))
        return None

    def _candidates(self, task: CloudTask, queue_ns: int) -> tuple[Exit, ...] | Refusal:
        return self._admission.candidates(self._now_ns, task, self._open_tasks, queue_ns)

    def _refuse(self, task: CloudTask, refusal: Refusal) -> None:
        task.move("refuse")
        self._actions.append(do.Refuse(task.task_id, refusal.reason, refusal.code))

    def _accept(self, task: CloudTask, candidates: tuple[Exit, ...], queue_ns: int) -> None:
        now_ns = self._now_ns
        task.move("accept")
        task.candidates = candidates
        self._tasks[task.task_id] = task
        times = self._admission.times_for(task)
        alone_ns = times.mean_ns(now_ns, task.target, task.next_stage)
        task.reported_end_ns = now_ns + queue_ns + alone_ns
        if queue_ns > 0:
            task.expected_wait = self._schedule.wait(now_ns, queue_ns)
        predicted_ns = queue_ns + times.upper_ns(now_ns, task.target, task.next_stage)
        self._actions.append(
            do.Accept(
                task.task_id, task.target.name, predicted_ns, queue_ns, task.trial_after_ns
            )
        )  # fmt: skip

    # --- between stages ---------------------------------------------------------------------

    def _on_stage_done(self, event: ev.StageDone) -> None:
        for task_id in event.task_ids:
            piece = self._finish_piece(event, task_id, do.RunStage(event.task_ids, event.stage))
            task = piece.task
            stopped = task.state is CloudState.STOPPING
            self._worked(task, event, event.took_ns)
            score = self._times.record_stage(
                event.now_ns, event.stage, event.took_ns, piece.expected, task.trial_after_ns > 0
            )
            task.trial_after_ns = 0
            task.took_ns[event.stage] = event.took_ns
            self._record(task, score)
            if stopped:
                self._end(task, do.Stop(task_id, "given up", task.compute_ns))
            else:
                task.next_stage, task.feasible_ns = event.stage + 1, -1
                self._branch(task)

    def _branch(self, task: CloudTask) -> None:
        """Act on the choice behind a stage."""
        exit_ = task.exit_behind(task.next_stage - 1)
        others = [other for other in self._tasks.values() if other is not task]
        choice = self._choice.behind_stage(self._now_ns, task, exit_, others)
        if choice is Choice.CONTINUE:
            self._report_progress(task, others)
        else:
            self._answer_or_stop(task, choice, exit_)

    def _answer_or_stop(self, task: CloudTask, choice: Choice, exit_: Exit | None) -> None:
        if choice is Choice.ANSWER and exit_ is not None:
            task.move("run_head")
            self._run(task, do.RunHead((task.task_id,), exit_.name), NOTHING)
        else:
            task.move("stop")
            reason = "the deadline cannot be met any more"
            self._end(task, do.Stop(task.task_id, reason, task.compute_ns))

    def _report_progress(self, task: CloudTask, others: list[CloudTask]) -> None:
        """Report the new forecast if it differs enough from the last one."""
        remaining_ns = self._schedule.remaining_ns(self._now_ns, task, others)
        end_ns = self._now_ns + remaining_ns
        if abs(end_ns - task.reported_end_ns) >= REPORTED_CHANGE_NS:
            task.reported_end_ns = end_ns
            self._actions.append(do.Progress(task.task_id, task.next_stage - 1, remaining_ns))

    def _on_head_done(self, event: ev.HeadDone) -> None:
        (task_id,), (prediction,) = event.task_ids, event.predictions
        task = self._finish_piece(event, task_id, do.RunHead((task_id,), event.exit)).task
        stopped = task.state is CloudState.STOPPING
        self._worked(task, event, event.took_ns)
        if stopped:
            self._end(task, do.Stop(task.task_id, "given up", task.compute_ns))
            return
        del self._tasks[task.task_id]
        self._actions.append(
            do.Reply(
                task.task_id, event.exit, prediction, task.compute_ns,
                self._wait_ns(event.now_ns), self._times.faded_slowdown(event.now_ns),
            )
        )  # fmt: skip
        self._times.record_task(task.took_ns)

    def _on_executor_failed(self, event: ev.ExecutorFailed) -> None:
        (task_id,) = event.task_ids
        task = self._finish_piece(event, task_id, None).task
        self._worked(task, event, 0)
        self._end(task, do.Stop(task.task_id, event.reason, task.compute_ns, failed=True))

    def _finish_piece(
        self, event: ev.CloudEvent, task_id: str, expected: do.RunStage | do.RunHead | None
    ) -> Piece:
        """Return the running piece, which has to be `expected` (None: any) of this task."""
        piece = self._schedule.piece
        task = self._tasks.get(task_id)
        if task is None or piece is None or piece.task is not task:
            name = type(event).__name__
            raise UnexpectedEvent("cloud", "not working on it", name, self._story(task_id))
        if expected is not None and expected != piece.action:
            raise UnexpectedEvent("cloud", f"at {piece.action}", f"{event}", task.format_story())
        return piece

    def _worked(self, task: CloudTask, event: ev.CloudEvent, took_ns: int) -> None:
        name = type(event).__name__
        task.note(self._now_ns, name)
        task.move(name)
        self._schedule.piece = None
        task.compute_ns += took_ns

    # --- tasks that are no longer wanted; settings ------------------------------------------

    def _on_unwanted(self, event: ev.GiveUpReceived | ev.ClientGone) -> None:
        task = self._find(event.task_id)
        if task is None:
            return  # it crossed the task's last message, or is the second one
        name = type(event).__name__
        task.note(event.now_ns, name)
        if task.state is CloudState.QUEUED:
            task.move("stop")
            self._decoding.remove(task)
            self._actions.append(do.Stop(task.task_id, "given up before its first stage", 0))
        elif task.state is CloudState.WAITING:
            task.move("stop")
            self._end(task, do.Stop(task.task_id, "given up", task.compute_ns))
        else:
            task.move(name)

    def _on_reconfigured(self, event: ev.CloudReconfigured) -> None:
        self._admission.max_tasks = event.settings.max_tasks
        self._most_tasks = max(self._most_tasks, event.settings.max_tasks)
        self._times.set_quantile(event.settings.quantile)
        self._admission.set_quantile(event.settings.quantile)
        self._schedule.set_quantile(event.settings.quantile)

    def _on_edge_joined(self, event: ev.EdgeJoined) -> None:
        self._actions.append(do.Grant(event.edge_id, self._admission.max_tasks))

    def _on_drain(self, event: ev.Drain) -> None:
        self._admission.draining = True

    def _end(self, task: CloudTask, action: do.Stop) -> None:
        del self._tasks[task.task_id]
        self._actions.append(action)

    # --- the executor -----------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give an idle executor to the task with the earliest deadline that is still feasible."""
        while self._schedule.piece is None:
            task = first_due(self._tasks.values())
            if task is None:
                return
            passed = task.exit_behind(task.next_stage - 1)
            choice = self._choice.before_stage(self._now_ns, task, passed)
            if choice is Choice.CONTINUE:
                self._run_stage(task)
            else:
                self._answer_or_stop(task, choice, passed)

    def _run_stage(self, task: CloudTask) -> None:
        if task.expected_wait is not NOTHING:
            score = self._schedule.waited(task, self._now_ns)
            task.expected_wait = NOTHING
            self._record(task, score)
        task.move("run_stage")
        stage = task.next_stage
        expected = self._times.stage(self._now_ns, stage)
        self._run(task, do.RunStage((task.task_id,), stage), expected)

    def _run(self, task: CloudTask, action: do.RunStage | do.RunHead, expected: Forecast) -> None:
        self._schedule.piece = Piece(task, action, self._now_ns, expected)
        self._actions.append(action)

    def _record(self, task: CloudTask, score: Score) -> None:
        task.story.append((self._now_ns, score))
        self._scores.add(score)
        self._actions.append(do.RecordScore(task.task_id, score))

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        check_tasks(self._tasks, self._schedule.piece)
        check_decoding(self._decoding)
        check_count(self._open_tasks, self._most_tasks)
