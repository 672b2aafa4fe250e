"""Events of the executor: the end of a stage, of a head, a failure."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.exit_choice import Choice, ExitChoice
from mc_sched.core.cloud.schedule import Piece
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.scores import NOTHING, Score
from mc_sched.core.tables import Exit
from mc_sched.core.transitions import CloudState


class StageEvents:
    """Moves the tasks of a batch when their stage or head is done."""

    def __init__(self, state: NodeState, choice: ExitChoice) -> None:
        self._state, self._choice = state, choice
        self.continuing: list[CloudTask] = []
        """Tasks that continue behind the stage that the present event has ended."""

    # --- the end of a piece -------------------------------------------------------------------

    def on_stage_done(self, event: ev.StageDone) -> None:
        """Branch each task of the batch; those that leave run the exit's head together."""
        state, stage = self._state, event.stage
        piece = self._finish(event, do.RunStage(event.task_ids, stage))
        score = self._learn(event, piece)
        for task in piece.tasks:
            stopped = task.state is CloudState.STOPPING
            self._worked(task, event, event.took_ns)
            task.story.append((event.now_ns, score))
            if stopped:
                state.end(task, do.Stop(task.task_id, "given up", task.compute_ns))
                continue
            if len(piece.tasks) == 1:
                task.took_ns[stage] = event.took_ns
            task.next_stage, task.feasible_ns = stage + 1, -1
            if stage == task.target.stage:
                state.schedule.reached_target(task, event.now_ns)
        self._branch(tuple([t for t in piece.tasks if t.state is CloudState.WAITING]))

    def on_head_done(self, event: ev.HeadDone) -> None:
        """Send the answers."""
        state = self._state
        piece = self._finish(event, do.RunHead(event.task_ids, event.exit))
        answered = []
        for task, prediction in zip(piece.tasks, event.predictions, strict=True):
            stopped = task.state is CloudState.STOPPING
            self._worked(task, event, event.took_ns)
            if stopped:
                state.end(task, do.Stop(task.task_id, "given up", task.compute_ns))
            else:
                del state.tasks[task.task_id]
                answered.append((task, prediction))
        wait_ns, slowdown = state.wait_ns(event.now_ns), state.times.faded_slowdown(event.now_ns)
        for task, prediction in answered:
            state.actions.append(
                do.Reply(
                    task.task_id, event.exit, prediction, task.compute_ns, wait_ns, slowdown
                )
            )  # fmt: skip
            state.times.record_task(task.took_ns)

    def on_executor_failed(self, event: ev.ExecutorFailed) -> None:
        """End the tasks of the piece that failed."""
        state = self._state
        for task in self._finish(event, None).tasks:
            self._worked(task, event, 0)
            stop = do.Stop(task.task_id, event.reason, task.compute_ns, failed=True)
            state.end(task, stop)

    def _finish(
        self,
        event: ev.StageDone | ev.HeadDone | ev.ExecutorFailed,
        expected: do.RunStage | do.RunHead | None,
    ) -> Piece:
        """End the running piece, which has to be `expected` (None: any) for the event's tasks."""
        state, piece = self._state, self._state.schedule.piece
        if piece is None or piece.action.task_ids != event.task_ids:
            name, task_id = type(event).__name__, "".join(event.task_ids[:1])
            raise UnexpectedEvent("cloud", "not working on it", name, state.story(task_id))
        if expected is not None and expected != piece.action:
            story = piece.tasks[0].format_story()
            raise UnexpectedEvent("cloud", f"at {piece.action}", f"{event}", story)
        state.schedule.end_piece()
        return piece

    def _worked(self, task: CloudTask, event: ev.CloudEvent, took_ns: int) -> None:
        name = type(event).__name__
        task.note(self._state.now_ns, name)
        task.move(name)
        task.compute_ns += took_ns

    # --- what a stage teaches -----------------------------------------------------------------

    def _learn(self, event: ev.StageDone, piece: Piece) -> Score:
        state, size = self._state, len(piece.tasks)
        times, now_ns = state.times, event.now_ns
        for task in piece.tasks:
            if task.trial_after_ns:
                task.trial_after_ns = 0
                times.tried(now_ns, state.table.stage_ns[event.stage], event.took_ns)
        slowdown = times.slowdown(now_ns) if times.measured(now_ns) else None
        state.sizes.record(now_ns, event.stage, size, event.took_ns, slowdown)
        known_ns = state.sizes.stage_ns(event.stage, size)
        score = times.record_stage(now_ns, known_ns, event.took_ns, piece.expected, size == 1)
        state.scores.add(score)
        state.actions.append(do.RecordScore(event.task_ids[0], score))
        return score

    # --- between stages -----------------------------------------------------------------------

    def _branch(self, batch: tuple[CloudTask, ...]) -> None:
        """Act on the choice of each task behind a stage."""
        answering: list[CloudTask] = []
        answer_at: Exit | None = None
        choices = []
        for task in batch:
            exit_ = task.exit_behind(task.next_stage - 1)
            choice = self._choice.behind_stage(self._state.now_ns, task, exit_, batch)
            choices.append((task, exit_, choice))
        for task, exit_, choice in choices:
            if choice is Choice.CONTINUE:
                self._state.schedule.advance(task)
                self.continuing.append(task)
            elif choice is Choice.ANSWER and exit_ is not None:
                answering.append(task)
                answer_at = exit_
            else:
                self.stop(task)
        if answer_at is not None:
            self.run_head(tuple(answering), answer_at)

    def stop(self, task: CloudTask) -> None:
        """Stop a task whose deadline cannot be met any more."""
        state = self._state
        task.move("stop")
        state.schedule.unanswered(task, state.now_ns)
        reason = "the deadline cannot be met any more"
        state.end(task, do.Stop(task.task_id, reason, task.compute_ns))

    def run_head(self, tasks: tuple[CloudTask, ...], exit_: Exit) -> None:
        """Run the head of the exit that these tasks stand behind."""
        state = self._state
        for task in tasks:
            task.move("run_head")
            state.schedule.remove(task)
        action = do.RunHead(tuple([task.task_id for task in tasks]), exit_.name)
        known_ns = state.sizes.head_ns(exit_, len(tasks))
        state.schedule.piece = Piece(tasks, action, state.now_ns, known_ns, NOTHING)
        state.actions.append(action)
