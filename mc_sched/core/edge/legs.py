"""Entry into a task's two legs, and exit from them."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask, LocalRun, OffloadAttempt
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.policy import CloudForecast, Fallback, LocalFirst, Offload, RunOnEdge
from mc_sched.core.transitions import IN_FLIGHT, CloudLeg, LocalLeg


class EdgeLegs:
    """Queues tasks for either site, and withdraws, aborts or gives up what is no longer wanted."""

    def __init__(self, state: EdgeState, forecast: EdgeForecast, learning: EdgeLearning) -> None:
        self._state, self._forecast, self._learning = state, forecast, learning

    # --- entry ------------------------------------------------------------------------------

    def run_locally(self, entry: EdgeTask, decision: RunOnEdge | LocalFirst) -> None:
        """Run the task on this device, as its only or its first network."""
        if isinstance(decision, LocalFirst):
            entry.local_first = decision
        else:
            self._choose_net(entry, decision.exit)
        run = self.queue_local(entry)
        waited_ns = self._state.now_ns - entry.task.submitted_ns
        entry.predicted_ns = waited_ns + run.expected.upper_ns

    def queue_local(self, entry: EdgeTask) -> LocalRun:
        """Put the task into the local queue."""
        now_ns = self._state.now_ns
        expected = self._forecast.local_total(entry, now_ns, self._state.entries)
        entry.run = run = LocalRun(now_ns, expected)
        entry.move_local("queue")
        return run

    def offload(
        self, entry: EdgeTask, offload: Offload, options: tuple[CloudForecast, ...]
    ) -> None:
        """Put the task into the uplink's queue; set a timer if it may fall back by one."""
        now_ns = self._state.now_ns
        entry.predicted_ns = now_ns - entry.task.submitted_ns + offload.predicted_ns
        payload_bytes = self._forecast.payload_bytes(entry.task, offload.codec)
        entry.attempt = attempt = OffloadAttempt(
            offload, options, payload_bytes, queued_ns=now_ns, reply_by_ns=entry.task.due_ns
        )
        entry.move_cloud("queue")
        if offload.fallback is not Fallback.NEVER:
            self._choose_net(entry, offload.fallback_exit)
            if offload.fallback.has_timer and self.local_is_accurate(entry):
                self._set_fallback_timer(entry, attempt)

    def _set_fallback_timer(self, entry: EdgeTask, attempt: OffloadAttempt) -> None:
        """Set a timer for the latest start of a local run."""
        now_ns = self._state.now_ns
        at_ns = now_ns + self._forecast.latest_start_ns(entry, now_ns, self._state.entries)
        if at_ns > now_ns:
            self._state.set_timer(entry, TimerKind.FALLBACK, at_ns)
            if attempt.offload.fallback.keeps_accepted:
                attempt.reply_by_ns = at_ns

    def fall_back_in_time(self, entry: EdgeTask) -> None:
        """Run the task locally, as only that is sure to be in time; a hedged upload continues.

        A cloud that has accepted the task and is late is given up even if the task is hedged.
        """
        is_hedged = entry.offloaded.offload.fallback is Fallback.HEDGED
        if not is_hedged or entry.cloud is not CloudLeg.UPLOADING:
            self.leave_cloud(entry)
        self.queue_local(entry)

    def continue_locally(self, entry: EdgeTask, exit_: str) -> bool:
        """Run the cloud net after an unsure local net; return False if that would be late."""
        self._choose_net(entry, exit_)
        can = bool(exit_) and self.local_can_serve(entry)
        if can:
            self.queue_local(entry)
        return can

    def _choose_net(self, entry: EdgeTask, exit_: str) -> None:
        """Set the network of a local run: the cloud net up to an exit, or the local net."""
        if exit_:
            entry.net = self._forecast.device_net(exit_)

    # --- exit -------------------------------------------------------------------------------

    def leave_local(self, entry: EdgeTask) -> None:
        """Withdraw or abort the local run, if there is one."""
        if entry.local is LocalLeg.QUEUED:
            entry.move_local("withdraw")
        elif entry.local is LocalLeg.RUNNING:
            run = entry.run
            if run is not None and run.started_ns is not None:
                run.took_ns = self._state.now_ns - run.started_ns
            entry.move_local("abort")
            self._learning.run_aborted()
            self._state.actions.append(do.AbortLocal(entry.task.task_id))

    def leave_cloud(self, entry: EdgeTask) -> None:
        """Withdraw the offload, or give it up if it has left the device."""
        now_ns = self._state.now_ns
        if entry.cloud is CloudLeg.QUEUED:
            entry.move_cloud("withdraw")
        elif entry.cloud is CloudLeg.ENCODING:
            encoding = entry.offloaded.encoding
            if encoding is not None:
                encoding.took_ns = now_ns - encoding.started_ns
            entry.move_cloud("withdraw")
        elif entry.cloud in IN_FLIGHT:
            self._state.record(entry, self._learning.given_up(entry, now_ns))
            entry.move_cloud("give_up")
            entry.offloaded.is_given_up = True
            self._state.actions.append(do.SendGiveUp(entry.task.task_id))

    # --- feasibility of a local run ---------------------------------------------------------

    def local_is_accurate(self, entry: EdgeTask) -> bool:
        """True if a local run reaches the task's QoR."""
        return self._forecast.local_accuracy(entry.net.exit) >= entry.accuracy

    def local_can_serve(self, entry: EdgeTask) -> bool:
        """True if a local run reaches the QoR and, by its mean time, the deadline."""
        now_ns = self._state.now_ns
        wait_ns = self._forecast.local_wait_ns(entry, now_ns, self._state.entries)
        end_ns = now_ns + wait_ns + self._forecast.run_mean_ns(entry, now_ns)
        return self.local_is_accurate(entry) and end_ns <= entry.task.due_ns
