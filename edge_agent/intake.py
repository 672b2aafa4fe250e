"""Checks of a task before the scheduler sees it: its clock, its credit, the lag of the loop.

The deadline counts from the moment when the client sent the task. A task that has waited too long
in transit, or whose client has no credit, is refused before its image is looked at.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from mc_proto.v1 import edge_pb2

from edge_agent.submission import Arrival, End, Ended, Submission, Submissions
from mc_sched.core.client_credits import ClientCredits
from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.core.predictors.transit_delay import TransitDelay
from mc_sched.core.task import Outcome, OutcomeKind, RefusalCode
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.metrics.edge import IntakeState
from mc_sched.service.loop_lag import LoopLag

LEAST_RETURN_NS = 500_000
"""Time kept for the return of an outcome before any was measured: that over loopback."""
RETURN_PART = 4
"""Divisor: the return of an outcome gets at most this part of a deadline."""
NOTE_NS = 1_000_000_000
"""Least time between two notes about refused tasks in the log."""
RECENT_NS = 1_000_000_000
"""Age at which a task's wait and the measured return of an outcome no longer count."""


@dataclass
class Source:
    """A source of tasks: one stream, or all single calls of a client."""

    key: str
    """Name under which it has credits."""
    client: str
    """The name on the client's certificate, or its host."""
    opened_ns: int
    transit: TransitDelay = field(default_factory=TransitDelay)
    returns: SlidingMin = field(default_factory=lambda: SlidingMin(RECENT_NS))
    """Recent times from the end of a task until its outcome had left the agent, negated."""
    open: int = 0
    came_ns: int = -RECENT_NS
    """Moment of its last task."""
    wait_ns: int = 0
    """Time that its last task has waited in transit and for the agent's loop."""
    unsent_since_ns: int | None = None
    """Moment when the first task ended whose outcome has not left the agent."""

    def ended(self, at_ns: int) -> None:
        """Note that a task has ended, and that its outcome has to leave the agent."""
        if self.unsent_since_ns is None:
            self.unsent_since_ns = at_ns

    def sent(self, now_ns: int) -> None:
        """Note that all outcomes have left the agent."""
        if self.unsent_since_ns is not None:
            self.returns.add(now_ns, self.unsent_since_ns - now_ns)
            self.unsent_since_ns = None

    def return_ns(self, now_ns: int, request: edge_pb2.Task) -> int:
        """Return the part of the deadline that the outcome needs to return to the client."""
        own_ns = -int(self.returns.least(now_ns, 0))
        most_ns = request.deadline_ns // RETURN_PART
        return min(most_ns, max(LEAST_RETURN_NS, own_ns, request.return_ns))


class Intake:
    """Takes tasks from all clients."""

    def __init__(
        self, submissions: Submissions, credits: ClientCredits, lag: LoopLag, log: EventLog
    ) -> None:
        self._submissions, self._credits, self._lag, self._log = submissions, credits, lag, log
        self._sources: dict[str, Source] = {}
        self._numbers = itertools.count(1)
        self.refused: Counter[RefusalCode] = Counter()
        """Tasks that the scheduler has not seen, by the reason."""
        self._noted_ns = 0
        self._unnoted: Counter[str] = Counter()
        """Refusals that the log has no note of yet; one note per second is enough."""

    # --- clients ----------------------------------------------------------------------------

    def open_stream(self, client: str) -> Source:
        """Return the source of a new stream; it must be closed."""
        return self._opened(f"stream {next(self._numbers)}", client)

    def source_of_calls(self, client: str) -> Source:
        """Return the source that all single calls of a client share; each call must close it."""
        key = f"calls {client}"
        return self._sources.get(key) or self._opened(key, client)

    def _opened(self, key: str, client: str) -> Source:
        source = self._sources[key] = Source(key, client, time.monotonic_ns())
        self._credits.joined(key)
        return source

    def close(self, source: Source) -> None:
        """Forget a source that has no open task."""
        if not source.open and self._sources.pop(source.key, None) is not None:
            self._credits.left(source.key)

    def grant(self, source: Source) -> int:
        """Return the number of tasks that the client may have open, to be sent to it."""
        return self._credits.grant(time.monotonic_ns(), source.key)

    def state(self) -> IntakeState:
        """Return the state that the metrics are made of."""
        return IntakeState(
            refused={code.value: count for code, count in self.refused.items()},
            credits=self._credits.size(time.monotonic_ns()),
            loop_lag_ns=self._lag.recent_ns(),
        )

    # --- tasks ------------------------------------------------------------------------------

    def take(
        self, source: Source, request: edge_pb2.Task, ended: Ended, traceparent: str = ""
    ) -> Submission | None:
        """Take a request; `ended` is called once, perhaps before this returns.

        A task that names no trace belongs to that of its call, `traceparent`.
        Return None if the task has been refused here.
        """
        now_ns = time.monotonic_ns()
        self._lag.touch()
        lag_ns = self._lag.recent_ns()
        # a client that gives no times may have waited for this loop at least
        hidden_ns = lag_ns
        if request.sent_ns:
            hidden_ns = source.transit.hidden_ns(now_ns - source.opened_ns, request.sent_ns)
        source.came_ns, source.wait_ns = now_ns, hidden_ns + lag_ns
        sent_ns, return_ns = now_ns - hidden_ns, source.return_ns(now_ns, request)
        if not self._credits.came(now_ns, source.key):
            reason = f"the client has {source.open} tasks open, and no credit for another"
            ended(self._refusal(request, RefusalCode.NO_CREDIT, reason))
            return None
        left_ns = request.deadline_ns - hidden_ns - return_ns
        if left_ns <= lag_ns and request.deadline_ns:
            reason = (
                f"overload: of the deadline of {request.deadline_ns / 1e6:.1f} ms, the task has "
                f"waited {hidden_ns / 1e6:.1f} ms in transit, and the agent lags "
                f"{lag_ns / 1e6:.1f} ms"
            )
            refusal = self._refusal(request, RefusalCode.INFEASIBLE, reason)
            self._credits.started(now_ns, self._common_wait_ns(source), request.deadline_ns)
            self._credits.ended(now_ns, source.key, refusal)
            ended(refusal)
            return None
        source.open += 1

        def end(result: End) -> None:
            source.open -= 1
            now_ns = time.monotonic_ns()
            if isinstance(result, Outcome):
                self._credits.ended(now_ns, source.key, result)
                source.ended(sent_ns + result.latency_ns)
                result = _honest(result, now_ns - sent_ns, request.deadline_ns)
            else:
                self._credits.ended(now_ns, source.key, None)
            ended(result)

        arrival = Arrival(source.client, traceparent, sent_ns, return_ns)
        return self._submissions.begin(request, arrival, end)

    def leave(self, submission: Submission) -> None:
        """Stop the work on a task whose client has left."""
        self._submissions.leave(submission)

    def _common_wait_ns(self, source: Source) -> int:
        """Return how long the last task of a source has waited, as far as others wait too.

        A longer wait is due to its own link or clock, and costs the other sources no credits.
        """
        since_ns = source.came_ns - RECENT_NS
        waits_ns = [
            other.wait_ns
            for other in self._sources.values()
            if other is not source and other.came_ns > since_ns
        ]
        return min(source.wait_ns, max(waits_ns, default=source.wait_ns))

    def _refusal(self, request: edge_pb2.Task, code: RefusalCode, reason: str) -> Outcome:
        self.refused[code] += 1
        self._unnoted[code.value] += 1
        now_ns = time.monotonic_ns()
        if now_ns - self._noted_ns >= NOTE_NS:
            self._log.write(now_ns, "note", {"refused_at_intake": dict(self._unnoted)}, "warning")
            self._noted_ns, self._unnoted = now_ns, Counter()
        return self._submissions.refused(request, code, reason)


def _honest(outcome: Outcome, since_sent_ns: int, deadline_ns: int) -> Outcome:
    """Return an outcome as late if the agent has noticed its success after the deadline."""
    if outcome.kind is not OutcomeKind.SUCCEEDED or since_sent_ns <= deadline_ns:
        return outcome
    reason = "the outcome left the agent after the deadline"
    return replace(outcome, kind=OutcomeKind.LATE, latency_ns=since_sent_ns, reason=reason)
