"""Counts since the agent's start: outcomes, latencies, slack."""

from __future__ import annotations

from collections import Counter

from mc_sched.core.histogram import LATENCY_BOUNDS_NS, SLACK_BOUNDS_NS, Histogram
from mc_sched.core.task import Outcome, OutcomeKind, Site

Ending = tuple[str, str, str]
"""Outcome, site and exit; "" for none."""


class Tally:
    """Counts of outcomes that only grow."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[OutcomeKind, Site | None, str | None]] = Counter()
        self.latency = Histogram(LATENCY_BOUNDS_NS)
        """Time from submission to outcome, of answered tasks."""
        self.slack = Histogram(SLACK_BOUNDS_NS)
        """Time from the outcome to the deadline, of all tasks that were not refused."""

    @property
    def outcomes(self) -> Counter[Ending]:
        """Number of tasks by outcome, site and exit."""
        return Counter(
            {
                (kind.value, "" if site is None else site.value, exit_ or ""): count
                for (kind, site, exit_), count in self._outcomes.items()
            }
        )

    def count(self, outcome: Outcome, slack_ns: int) -> None:
        """Count an outcome that came `slack_ns` before the deadline."""
        self._outcomes[outcome.kind, outcome.site, outcome.exit] += 1
        if outcome.prediction is not None:
            self.latency.add(outcome.latency_ns)
        if outcome.kind is not OutcomeKind.REFUSED:
            self.slack.add(slack_ns)

    def copy(self) -> Tally:
        """Return an independent copy."""
        other = Tally()
        other._outcomes, other.latency = self._outcomes.copy(), self.latency.copy()
        other.slack = self.slack.copy()
        return other
