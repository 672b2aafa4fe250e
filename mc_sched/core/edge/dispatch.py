"""What starts next on the edge: here alone is queued work begun, earliest deadline first."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.outcomes import EdgeOutcomes
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.radio import RadioTail
from mc_sched.core.events import TimerKind
from mc_sched.core.policy import Fallback
from mc_sched.core.task import OutcomeKind
from mc_sched.core.transitions import CloudLeg, LocalLeg


class EdgeDispatch:
    """Gives the local net, the encoder and the uplink to the queued tasks."""

    def __init__(
        self, state: EdgeState, forecast: EdgeForecast, tail: RadioTail, outcomes: EdgeOutcomes
    ) -> None:
        self._state, self._forecast, self._tail, self._outcomes = state, forecast, tail, outcomes

    def advance(self, max_uploads: int | None) -> None:
        """Start whatever can be; `max_uploads` at once, or as many as cover a round trip."""
        self._start_uploads(max_uploads)
        self._start_local()

    def _start_local(self) -> None:
        queued = []
        for entry in self._state.entries:
            if entry.local in (LocalLeg.RUNNING, LocalLeg.ABORTING):
                return
            if entry.local is LocalLeg.QUEUED:
                queued.append(entry)
        if not queued:
            return
        now_ns, forecast = self._state.now_ns, self._forecast
        # one that cannot be in time any more would only make the others late as well
        feasible = [e for e in queued if now_ns + forecast.run_mean_ns(e, now_ns) <= e.task.due_ns]
        free = [e for e in feasible if not self._has_to_wait(e)]
        if free:
            entry = min(free, key=_due_ns)
            entry.move_local("start")
            entry.local_started_ns = now_ns
            self._forecast.local.started(now_ns, entry.on_device_ns)
            self._state.actions.append(do.StartLocal(entry.task.task_id, entry.on_device_exit))

    def _has_to_wait(self, entry: EdgeTask) -> bool:
        """Whether this run would cost another task its take-back, and can wait until that is over.

        The other one's timer or its end wakes us in any case.
        """
        now_ns = self._state.now_ns
        run_ns = self._forecast.run_mean_ns(entry, now_ns)
        for other in self._state.entries:
            if other.local is LocalLeg.IDLE and TimerKind.FALLBACK in other.timers:
                both_ns = now_ns + run_ns + self._forecast.run_mean_ns(other, now_ns)
                due_ns = other.task.due_ns
                if both_ns > due_ns and due_ns + run_ns <= entry.task.due_ns:
                    return True
        return False

    def _start_uploads(self, max_uploads: int | None) -> None:
        queued = [entry for entry in self._state.entries if entry.cloud is CloudLeg.QUEUED]
        if not queued:
            return
        now_ns = self._state.now_ns
        legs = [entry.cloud for entry in self._state.entries]
        most = max_uploads or self._forecast.uploads_at_once(now_ns, queued)
        free = max(0, most - legs.count(CloudLeg.UPLOADING))
        encoder_free = CloudLeg.ENCODING not in legs and CloudLeg.DROPPED not in legs
        for entry in sorted(queued, key=_due_ns):
            is_ready = entry.encoded or not self._forecast.encode.needs_time(entry.codec)
            if not (free if is_ready else encoder_free):
                continue
            assert entry.offload is not None
            # a policy that watches the clock sends nothing that would only make the others late
            watches = entry.offload.fallback is not Fallback.NEVER
            if watches and not self._forecast.cloud_can_serve(entry, now_ns):
                entry.move_cloud("withdraw")
                self._outcomes.fall_back(
                    entry, OutcomeKind.LATE, "the uplink was taken for too long"
                )
            elif is_ready:
                self._send(entry)
                free -= 1
            else:
                self._encode(entry)
                encoder_free = False

    def _encode(self, entry: EdgeTask) -> None:
        now_ns = self._state.now_ns
        entry.move_cloud("encode")
        entry.encode_started_ns = now_ns
        entry.expected_encode = self._forecast.encode.forecast(now_ns, entry.codec)
        self._state.actions.append(do.Encode(entry.task.task_id, entry.codec))

    def _send(self, entry: EdgeTask) -> None:
        assert entry.offload is not None
        now_ns = self._state.now_ns
        entry.expected_up = self._forecast.up(entry, now_ns, self._state.entries)
        entry.move_cloud("send")
        entry.sent_ns = now_ns
        entry.tail_j = self._tail.next_j(now_ns)
        half_rtt_ns = self._forecast.link.rtt_mean_ns(now_ns) // 2
        self._state.actions.append(
            do.SendToCloud(
                task_id=entry.task.task_id,
                codec=entry.codec,
                accuracy=entry.offload.accuracy,
                # the first byte's way is a time that the cloud cannot see
                budget_ns=max(0, entry.task.due_ns - now_ns - half_rtt_ns),
                reply_in_ns=max(0, entry.reply_by_ns - now_ns - half_rtt_ns),
                down_ns=half_rtt_ns,
                exit_rule=entry.offload.exit_rule,
            )
        )


def _due_ns(entry: EdgeTask) -> int:
    return entry.task.due_ns
