"""Start of queued work: uploads, encodings and local runs, earliest deadline first."""

from __future__ import annotations

from mc_sched.core import actions as do
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.outcomes import EdgeOutcomes, Ending
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask, Encoding, Upload
from mc_sched.core.energy.radio import RadioTail
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.policy import Fallback
from mc_sched.core.task import OutcomeKind, RefusalCode
from mc_sched.core.transitions import CloudLeg, LocalLeg

_UPLINK_TAKEN = Ending(OutcomeKind.LATE, "the uplink was taken for too long")
_NO_CREDIT = Ending(
    OutcomeKind.REFUSED, "the cloud had no credit free in time", RefusalCode.NO_CREDIT
)


class EdgeDispatch:
    """Assigns the local net, the encoder and the uplink to queued tasks. Nothing else does."""

    def __init__(
        self,
        state: EdgeState,
        forecast: EdgeForecast,
        tail: RadioTail,
        learning: EdgeLearning,
        outcomes: EdgeOutcomes,
    ) -> None:
        self._state, self._forecast, self._tail = state, forecast, tail
        self._learning, self._outcomes = learning, outcomes

    def advance(self, max_uploads: int | None) -> None:
        """Start all that can start; with None, as many uploads as cover a round trip."""
        self._start_uploads(max_uploads)
        self._start_local()

    # --- the local net ----------------------------------------------------------------------

    def _start_local(self) -> None:
        queued = []
        for entry in self._state.entries:
            if entry.local is LocalLeg.RUNNING or entry.local is LocalLeg.ABORTING:
                return
            if entry.local is LocalLeg.QUEUED:
                queued.append(entry)
        if not queued:
            return
        now_ns, forecast = self._state.now_ns, self._forecast
        # a task that cannot be in time any more would only make the others late as well
        feasible = [e for e in queued if now_ns + forecast.run_mean_ns(e, now_ns) <= e.task.due_ns]
        free = [e for e in feasible if not self._must_wait(e)]
        if free:
            entry = min(free, key=_due_ns)
            assert entry.run is not None
            entry.move_local("start")
            entry.run.started_ns = now_ns
            self._learning.run_requested(entry, now_ns)
            self._state.actions.append(do.StartLocal(entry.task.task_id, entry.net.exit))

    def _must_wait(self, entry: EdgeTask) -> bool:
        """True if this run would prevent another task's fallback, and is not urgent itself.

        The other task's timer, or its end, starts the dispatch again.
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

    # --- encoder and uplink -----------------------------------------------------------------

    def _start_uploads(self, max_uploads: int | None) -> None:
        queued = [entry for entry in self._state.entries if entry.cloud is CloudLeg.QUEUED]
        if not queued:
            return
        now_ns = self._state.now_ns
        legs = [entry.cloud for entry in self._state.entries]
        most = max_uploads or self._forecast.uploads_at_once(now_ns, queued)
        free = max(0, most - legs.count(CloudLeg.UPLOADING))
        credits = self._forecast.credits.free(self._state.entries)
        encoder_free = CloudLeg.ENCODING not in legs and CloudLeg.DROPPED not in legs
        for entry in sorted(queued, key=_due_ns):
            attempt = entry.offloaded
            needs_encoder = self._forecast.encode.needs_time(attempt.offload.codec)
            is_ready = attempt.has_payload or not needs_encoder
            if not (free if is_ready else encoder_free):
                continue
            has_credit = credits > 0 if is_ready else self._has_credit_when_encoded(entry)
            if not has_credit and attempt.credit_since_ns is None:
                attempt.credit_since_ns = now_ns
            # only a policy without fallback sends a payload that will probably be late, unless it
            # had to wait for a credit: then the credits would go to late tasks only
            waited = attempt.credit_since_ns is not None
            watches = waited or attempt.offload.fallback is not Fallback.NEVER
            if watches and not self._forecast.cloud_can_serve(entry, now_ns):
                entry.move_cloud("withdraw")
                self._outcomes.fall_back(entry, _UPLINK_TAKEN if has_credit else _NO_CREDIT)
            elif not has_credit:
                continue
            elif is_ready:
                self._send(entry)
                free, credits = free - 1, credits - 1
            else:
                self._encode(entry)
                encoder_free = False

    def _has_credit_when_encoded(self, entry: EdgeTask) -> bool:
        """True if a credit is probably free by the time at which the payload is made."""
        now_ns = self._state.now_ns
        others = [other for other in self._state.entries if other is not entry]
        wait_ns = self._forecast.credit_wait(entry, now_ns, others).mean_ns
        return wait_ns <= self._forecast.encode.mean_ns(now_ns, entry.codec)

    def _encode(self, entry: EdgeTask) -> None:
        now_ns = self._state.now_ns
        entry.move_cloud("encode")
        expected = self._forecast.encode.forecast(now_ns, entry.codec)
        entry.offloaded.encoding = Encoding(now_ns, expected)
        self._state.actions.append(do.Encode(entry.task.task_id, entry.codec))

    def _send(self, entry: EdgeTask) -> None:
        now_ns, attempt = self._state.now_ns, entry.offloaded
        expected = self._forecast.upload(entry, now_ns, self._state.entries)
        entry.move_cloud("send")
        attempt.upload = Upload(now_ns, expected, self._tail.next_j(now_ns))
        half_rtt_ns = self._forecast.known_for(entry).link.rtt_mean_ns(now_ns) // 2
        self._state.actions.append(
            do.SendToCloud(
                task_id=entry.task.task_id,
                codec=attempt.offload.codec,
                accuracy=attempt.offload.accuracy,
                # the cloud's clock starts when the first byte arrives
                budget_ns=max(0, entry.task.due_ns - now_ns - half_rtt_ns),
                reply_in_ns=max(0, attempt.reply_by_ns - now_ns - half_rtt_ns),
                down_ns=half_rtt_ns,
                exit_rule=attempt.offload.exit_rule,
                wanted=self._forecast.credits.wanted(now_ns, self._state.entries),
                credit_wait_ns=now_ns - (attempt.credit_since_ns or now_ns),
            )
        )


def _due_ns(entry: EdgeTask) -> int:
    return entry.task.due_ns
