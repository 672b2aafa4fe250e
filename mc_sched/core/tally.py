"""What has happened since the agent started, counted: endings, latencies, slack."""

from __future__ import annotations

from collections import Counter

from mc_sched.core.histogram import LATENCY_BOUNDS_NS, SLACK_BOUNDS_NS, Histogram
from mc_sched.core.task import Outcome

Ending = tuple[str, str, str]
"""Outcome, site and exit; "" for none."""


class Tally:
    """Counts of outcomes that only grow."""

    def __init__(self) -> None:
        self.endings: Counter[Ending] = Counter()
        self.latency = Histogram(LATENCY_BOUNDS_NS)
        """Of answered tasks, from submission to outcome."""
        self.slack = Histogram(SLACK_BOUNDS_NS)
        """Of all tasks but refused ones: time left until the deadline when they ended."""

    def count(self, outcome: Outcome, slack_ns: int) -> None:
        """Enter an outcome."""
        site = outcome.site.value if outcome.site else ""
        self.endings[outcome.kind.value, site, outcome.exit or ""] += 1
        if outcome.prediction is not None:
            self.latency.add(outcome.latency_ns)
        if outcome.kind.value != "refused":
            self.slack.add(slack_ns)

    def copy(self) -> Tally:
        """As it is now."""
        other = Tally()
        other.endings, other.latency = self.endings.copy(), self.latency.copy()
        other.slack = self.slack.copy()
        return other
