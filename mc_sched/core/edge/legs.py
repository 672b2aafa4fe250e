"""Into a task's two legs and out of them: a way to an answer begins, or is broken off."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.invariants import IN_FLIGHT
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.events import TimerKind
from mc_sched.core.policy import Fallback, LocalFirst, Offload, RunOnEdge
from mc_sched.core.transitions import CloudLeg, LocalLeg


class EdgeLegs:
    """Puts tasks into the queues of both sites, and takes them out of whatever they are in."""

    def __init__(self, state: EdgeState, forecast: EdgeForecast, learning: EdgeLearning) -> None:
        self._state, self._forecast, self._learning = state, forecast, learning

    # --- into them --------------------------------------------------------------------------

    def run_locally(self, entry: EdgeTask, decision: RunOnEdge | LocalFirst) -> None:
        """A policy wants the answer of this device, be it only the first."""
        if isinstance(decision, LocalFirst):
            entry.first = decision
        else:
            self._set_local_run(entry, decision.exit)
        self.queue_local(entry)
        waited_ns = self._state.now_ns - entry.task.submitted_ns
        entry.predicted_ns = waited_ns + entry.expected_local.upper_ns

    def queue_local(self, entry: EdgeTask) -> None:
        """Into the local net's queue."""
        now_ns = self._state.now_ns
        entry.expected_local = self._forecast.here(entry, now_ns, self._state.entries)
        entry.decided_ns = now_ns
        entry.move_local("queue")

    def offload(self, entry: EdgeTask, offload: Offload) -> None:
        """Put the task into the uplink's queue, with a timer if it may fall back by one."""
        now_ns = self._state.now_ns
        waited_ns = now_ns - entry.task.submitted_ns
        entry.offload, entry.predicted_ns = offload, waited_ns + offload.predicted_ns
        entry.payload_bytes = self._forecast.payload_bytes(entry.task, offload.codec)
        entry.reply_by_ns, entry.offloaded_ns = entry.task.due_ns, now_ns
        entry.move_cloud("queue")
        if offload.fallback is not Fallback.NEVER:
            self._set_local_run(entry, offload.fallback_exit)
            if offload.fallback.has_timer and self.local_is_accurate(entry):
                self._watch(entry, offload)

    def _watch(self, entry: EdgeTask, offload: Offload) -> None:
        """Be woken when the local net has to start, if it is to be in time."""
        now_ns = self._state.now_ns
        at_ns = now_ns + self._forecast.latest_start_ns(entry, now_ns, self._state.entries)
        if at_ns > now_ns:
            self._state.set_timer(entry, TimerKind.FALLBACK, at_ns)
            if offload.fallback.keeps_accepted:
                entry.reply_by_ns = at_ns

    def fall_back_in_time(self, entry: EdgeTask) -> None:
        """Run the task locally, as only that is sure to be in time; a hedged upload continues.

        A cloud that has accepted the task and is late is given up even if the task is hedged.
        """
        hedged = entry.offload is not None and entry.offload.fallback is Fallback.HEDGED
        if not hedged or entry.cloud is not CloudLeg.UPLOADING:
            self.leave_cloud(entry)
        self.queue_local(entry)

    def continue_locally(self, entry: EdgeTask, exit_: str) -> bool:
        """Run the cloud net on what the local net was not sure of; False if that would be late."""
        self._set_local_run(entry, exit_)
        can = bool(exit_) and self.local_can_serve(entry)
        if can:
            self.queue_local(entry)
        return can

    def _set_local_run(self, entry: EdgeTask, exit_: str) -> None:
        """What this task runs here, if it does: the cloud net up to an exit, or the local net."""
        if exit_:
            entry.on_device_exit, entry.on_device_ns = exit_, self._forecast.whole_ns(exit_)

    # --- out of them ------------------------------------------------------------------------

    def leave_local(self, entry: EdgeTask) -> None:
        """The local net is no longer wanted for this task."""
        if entry.local is LocalLeg.QUEUED:
            entry.move_local("withdraw")
        elif entry.local is LocalLeg.RUNNING:
            entry.compute_ns = self._state.now_ns - entry.local_started_ns
            entry.move_local("abort")
            self._forecast.local.aborted()
            self._state.actions.append(do.AbortLocal(entry.task.task_id))

    def leave_cloud(self, entry: EdgeTask) -> None:
        """The cloud is no longer wanted for this task: what is in flight is given up."""
        if entry.cloud is CloudLeg.QUEUED:
            entry.move_cloud("withdraw")
        elif entry.cloud is CloudLeg.ENCODING:
            entry.encode_ns = self._state.now_ns - entry.encode_started_ns
            entry.move_cloud("withdraw")
        elif entry.cloud in IN_FLIGHT:
            now_ns = self._state.now_ns
            self._state.record(entry, self._learning.no_answer(entry, now_ns))
            if entry.cloud is CloudLeg.UPLOADING:
                self._learning.gave_up_upload(entry, now_ns)
            entry.move_cloud("give_up")
            entry.gave_up = True
            self._state.actions.append(do.SendGiveUp(entry.task.task_id))

    # --- what the local net could do --------------------------------------------------------

    def local_is_accurate(self, entry: EdgeTask) -> bool:
        """Whether what would run here reaches the task's QoR."""
        return self._forecast.local_accuracy(entry.on_device_exit) >= entry.accuracy

    def local_can_serve(self, entry: EdgeTask) -> bool:
        """Whether it also would be in time, on the mean."""
        now_ns = self._state.now_ns
        wait_ns = self._forecast.local_wait_ns(entry, now_ns, self._state.entries)
        end_ns = now_ns + wait_ns + self._forecast.run_mean_ns(entry, now_ns)
        return self.local_is_accurate(entry) and end_ns <= entry.task.due_ns
