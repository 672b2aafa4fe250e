"""What has happened since the agent started, counted: endings, latencies, slack."""

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
        """Of answered tasks, from submission to outcome."""
        self.slack = Histogram(SLACK_BOUNDS_NS)
        """Of all tasks but refused ones: time left until the deadline when they ended."""

    @property
    def outcomes(self) -> Counter[Ending]:
        """How many tasks ended in each way."""
        return Counter(
            {
                (kind.value, "" if site is None else site.value, exit_ or ""): count
                for (kind, site, exit_), count in self._outcomes.items()
            }
        )

    def count(self, outcome: Outcome, slack_ns: int) -> None:
        """Enter an outcome."""
        self._outcomes[outcome.kind, outcome.site, outcome.exit] += 1
        if outcome.prediction is not None:
            self.latency.add(outcome.latency_ns)
        if outcome.kind is not OutcomeKind.REFUSED:
            self.slack.add(slack_ns)

    def copy(self) -> Tally:
        """As it is now."""
        other = Tally()
        other._outcomes, other.latency = self._outcomes.copy(), self.latency.copy()
        other.slack = self.slack.copy()
        return other
