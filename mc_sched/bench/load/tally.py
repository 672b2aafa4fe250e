"""Ends of the tasks of a phase, as the client saw them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from mc_sched.bench.stats import quantile


@dataclass(frozen=True)
class LoadPoint:
    """Figures of one phase. Times are in milliseconds, from when a task was due to be sent."""

    offered: float
    """Tasks per second."""
    goodput: float
    """Tasks per second that were answered in time and accurately enough."""
    admitted: int
    """Tasks that the server took."""
    late: int
    """Tasks that the server took and did not answer in time."""
    refused: int
    """Tasks that the server refused, or that were not sent for want of a credit."""
    unsent: int
    """Those of the refused that were not sent."""
    failed: int
    """Tasks that ended by an error."""
    claimed_minus_seen: float
    """Share of the answers that the server gave as in time and that arrived late."""
    p50_ms: float | None
    p99_ms: float | None
    """Quantiles of the time to an answer; None without answers."""
    exits: dict[str, int]
    """Answers in time by exit."""
    generator_lag_ms: float
    """99th percentile of how late the generator sent."""

    def report(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        return asdict(self)


@dataclass
class LoadTally:
    """Counts the ends of a phase's tasks."""

    deadline_s: float
    came: int = 0
    in_time: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    lags_s: list[float] = field(default_factory=list)
    late: int = 0
    refused: int = 0
    unsent: int = 0
    failed: int = 0
    claimed: int = 0
    claimed_late: int = 0

    @property
    def ended(self) -> int:
        """Number of tasks that have ended."""
        return self.in_time.total() + self.late + self.refused + self.failed

    def answered(self, took_s: float, exit_: str, claims_in_time: bool) -> None:
        """Count an answer that arrived `took_s` after its task was due to be sent."""
        self.latencies_s.append(took_s)
        is_late = took_s > self.deadline_s
        if claims_in_time:
            self.claimed += 1
            self.claimed_late += is_late
        if is_late or not claims_in_time:
            self.late += 1
        else:
            self.in_time[exit_] += 1

    def point(self, seconds: float) -> LoadPoint:
        """Return the figures of a phase of this length."""
        ms = [s * 1e3 for s in self.latencies_s]
        answered = self.in_time.total()
        return LoadPoint(
            offered=self.came / seconds,
            goodput=answered / seconds,
            admitted=answered + self.late,
            late=self.late,
            refused=self.refused,
            unsent=self.unsent,
            failed=self.failed,
            claimed_minus_seen=self.claimed_late / self.claimed if self.claimed else 0.0,
            p50_ms=quantile(ms, 0.5) if ms else None,
            p99_ms=quantile(ms, 0.99) if ms else None,
            exits=dict(sorted(self.in_time.items())),
            generator_lag_ms=quantile(self.lags_s, 0.99) * 1e3 if self.lags_s else 0.0,
        )
