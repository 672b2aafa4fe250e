"""Events of a task before its acceptance: its payload arrives and is decoded."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.admission import Admission, CloudAdmission, Refusal
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.scores import NOTHING
from mc_sched.core.transitions import CloudState


class Arrivals:
    """Judges each task twice: before it costs a decoder time, and when it is decoded."""

    def __init__(self, state: NodeState, admission: CloudAdmission) -> None:
        self._state, self._admission = state, admission

    def on_received(self, event: ev.Received) -> None:
        """Refuse the task, or queue it for a decoder."""
        state, task_id = self._state, event.task_id
        if state.find(task_id) is not None:
            name = f"second task {task_id}"
            raise UnexpectedEvent("cloud", "open", name, state.story(task_id))
        task = CloudTask(event, state.table.codec_named(event.codec).stage)
        task.leave_by_ns -= state.downlinks.forecast_ns(event)
        task.note(event.now_ns, "Received")
        ready = state.decoding.ready(event.now_ns, event, task.due_ns)
        task.ready_in_ns = ready.mean_ns
        self._admission.arrived()
        judged = self._admission.judge(task, ready)
        if isinstance(judged, Refusal):
            self._refuse(task, judged)
        else:
            state.schedule.add(task, judged.candidates[0])
            state.decoding.add(task)

    def decode_next(self) -> None:
        """Give each idle decoder the waiting payload whose task is due first."""
        state = self._state
        while (task := state.decoding.begin_next(state.now_ns)) is not None:
            task.move("decode")
            state.actions.append(do.Decode(task.task_id, task.received.codec))

    def on_decoded(self, event: ev.Decoded) -> None:
        """Accept the task, or refuse it if it cannot be in time any more."""
        state = self._state
        task = self._leave_decoder(event)
        state.decoding.record(event.now_ns, task, event.took_ns)
        if self._was_dropped(task, event):
            return
        task.decoded_ns = event.now_ns
        state.schedule.remove(task)
        judged = self._admission.judge(task, NOTHING)
        if isinstance(judged, Refusal):
            self._refuse(task, judged)
        else:
            self._accept(task, judged)

    def on_decode_failed(self, event: ev.DecodeFailed) -> None:
        """Reject a payload that cannot be decoded."""
        task = self._leave_decoder(event)
        if not self._was_dropped(task, event):
            task.move("DecodeFailed")
            self._state.schedule.remove(task)
            self._state.actions.append(do.Reject(task.task_id, event.reason, event.invalid))

    def give_up(self, task: CloudTask) -> None:
        """Remove a task that still waits for a decoder."""
        task.move("stop")
        self._state.decoding.remove(task)
        self._state.schedule.remove(task)
        self._stop(task)

    def _leave_decoder(self, event: ev.Decoded | ev.DecodeFailed) -> CloudTask:
        name = type(event).__name__
        task = self._state.decoding.finish(event.task_id)
        if task is None:
            story = self._state.story(event.task_id)
            raise UnexpectedEvent("cloud", "not decoding it", name, story)
        task.note(event.now_ns, name)
        return task

    def _was_dropped(self, task: CloudTask, event: ev.Decoded | ev.DecodeFailed) -> bool:
        """Return True if the task was given up while it was decoded; then it ends now."""
        if task.state is not CloudState.DROPPED:
            return False
        task.move(type(event).__name__)
        self._stop(task)
        return True

    def _stop(self, task: CloudTask) -> None:
        reason = "given up before its first stage"
        self._state.actions.append(do.Stop(task.task_id, reason, 0))

    def _refuse(self, task: CloudTask, refusal: Refusal) -> None:
        task.move("refuse")
        self._state.actions.append(do.Refuse(task.task_id, refusal.reason, refusal.code))

    def _accept(self, task: CloudTask, admission: Admission) -> None:
        state, now_ns, start_ns = self._state, self._state.now_ns, admission.start_ns
        task.move("accept")
        task.candidates = admission.candidates
        state.tasks[task.task_id] = task
        state.schedule.add(task, task.target)
        task.reported_end_ns = now_ns + admission.end_ns
        times = self._admission.times_for(task)
        upper_ns = start_ns + times.upper_ns(now_ns, task.target, task.next_stage)
        if start_ns > 0:
            task.expected_wait = state.schedule.wait(now_ns, start_ns)
            task.waiting = state.schedule.begin_wait(now_ns)
            upper_ns = max(upper_ns, state.schedule.margin.upper_ns(now_ns, admission.end_ns))
        state.actions.append(
            do.Accept(task.task_id, task.target.name, upper_ns, start_ns, task.trial_after_ns)
        )
