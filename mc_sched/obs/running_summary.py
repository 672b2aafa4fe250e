"""The summary of `summary.py`, built up result by result: memory does not grow with the run.

Counts and sums are exact. Of latencies only rounded values are counted, to 11 binary digits, so
that a quantile is within 0.05% of the true one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from mc_sched.core.task import Energy, OutcomeKind
from mc_sched.obs.summary import RunInfo, TaskResult, joined_sources, summarise

_DIGITS = 11


class RunningSummary:
    """Takes results as they come; `summary` may be asked for at any time."""

    def __init__(self) -> None:
        self.tasks = 0
        self._kinds: Counter[str] = Counter()
        self._sites: Counter[str] = Counter()
        self._exits: Counter[str] = Counter()
        self._gave_up = self._bytes_up = 0
        self._total_j = self._tail_j = 0.0
        self._sources: set[str] = set()
        self._answered = self._known = self._correct = self._correct_in_time = 0
        self._labelled = False
        self._expected = 0.0
        self._computed = self._cloud_ns = 0
        self._latency = LatencyCounts()

    @property
    def sites(self) -> dict[str, int]:
        """How many tasks each site answered so far."""
        return dict(self._sites)

    def add(self, result: TaskResult) -> None:
        """Enter one result."""
        outcome = result.outcome
        self.tasks += 1
        self._kinds[outcome.kind.value] += 1
        self._gave_up += outcome.gave_up
        self._bytes_up += outcome.bytes_up
        self._enter_energy(outcome.energy)
        if outcome.site is not None:
            self._sites[outcome.site.value] += 1
        if outcome.exit:
            self._exits[outcome.exit] += 1
        if result.correct is not None:
            self._labelled = True
            self._correct_in_time += result.correct and outcome.kind is OutcomeKind.SUCCEEDED
        if outcome.prediction is not None:
            self._enter_answer(result)

    def _enter_energy(self, energy: Energy) -> None:
        self._total_j += energy.total_j
        self._tail_j += energy.radio_tail_j
        if energy.source not in self._sources and (energy.compute_j or energy.encode_j):
            self._sources.add(energy.source)

    def _enter_answer(self, result: TaskResult) -> None:
        outcome = result.outcome
        self._answered += 1
        self._expected += outcome.expected_accuracy or 0.0
        self._latency.add(outcome.latency_ns)
        if outcome.cloud_ns:
            self._computed += 1
            self._cloud_ns += outcome.cloud_ns
        if result.correct is not None:
            self._known += 1
            self._correct += result.correct

    def summary(self, info: RunInfo) -> dict[str, Any]:
        """The summary object so far; its keys are those of `summarise`."""
        whole = summarise((), info)
        in_time = self._kinds[OutcomeKind.SUCCEEDED.value]
        successes = self._correct_in_time if self._labelled else in_time
        whole.update(
            tasks=self.tasks,
            outcomes={kind: self._kinds[kind] for kind in whole["outcomes"]},
            sites={site: self._sites[site] for site in whole["sites"]},
            exits=dict(sorted(self._exits.items())),
            gave_up=self._gave_up,
            deadline_met=_share(in_time, self.tasks),
            accuracy=_share(self._correct, self._known),
            expected_accuracy=_share(self._expected, self._answered),
            latency_ms=self._latency.figures_ms(),
            cloud_ms={"mean": _share(self._cloud_ns / 1e6, self._computed)},
            bytes_up=self._bytes_up,
            e3_per_j=_share(successes, self._total_j),
            e3_with_tail_per_j=_share(successes, self._total_j + self._tail_j),
            e3_counts="correct" if self._labelled else "expected",
        )
        whole["energy_j"].update(
            total=self._total_j,
            per_task=_share(self._total_j, self.tasks),
            tail=self._tail_j,
            source=joined_sources(self._sources) or info.energy_source,
        )
        return whole


class LatencyCounts:
    """How often each rounded latency came."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._number = 0
        self._sum_ns = self._max_ns = 0

    def add(self, latency_ns: int) -> None:
        """Enter one latency, 0 or more."""
        spare = max(0, latency_ns.bit_length() - _DIGITS)
        self._counts[latency_ns >> spare << spare] += 1
        self._number += 1
        self._sum_ns += latency_ns
        self._max_ns = max(self._max_ns, latency_ns)

    def figures_ms(self) -> dict[str, float]:
        """Mean, quantiles and maximum, as in the summary; 0 while there is none."""
        return {
            "mean": _share(self._sum_ns / 1e6, self._number),
            **{f"p{percent}": self._rank_ns(percent) / 1e6 for percent in (50, 95, 99)},
            "max": self._max_ns / 1e6,
        }

    def _rank_ns(self, percent: int) -> float:
        rank = max(1, -(-self._number * percent // 100))
        for low_ns in sorted(self._counts):
            rank -= self._counts[low_ns]
            if rank <= 0:
                spare = max(0, low_ns.bit_length() - _DIGITS)
                return min(self._max_ns, low_ns + ((1 << spare) - 1) / 2)
        return 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
