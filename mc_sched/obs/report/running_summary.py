"""The summary of a run, the same for live and simulated runs.

It is built result by result, so that memory does not grow with the run.

- `outcomes`, `deadline_met` and `latency_ms` are as the client saw them: from the moment when a
  task was due until its outcome was there. `agent_latency_ms` is as the agent reports it, and
  `claimed_minus_seen` the number of tasks that the agent claims in time and the client saw late. In
  the simulator, client and agent are one.
- `deadline_met` is the share of all submitted tasks; a refused task counts as not met.
- Latency, accuracy and expected accuracy are over answered tasks: those with a prediction, in time
  or not.
- E3 = Ns / (N * E) with E the mean joules per task, which is Ns over all joules. Ns counts the
  succeeded tasks or, if labels are known, those of them whose top-5 contains the label (Tang et al.
  2020, section "A case study").
- Joules are without the radio's tail; E3 is given without and with it. `source` names the sensor or
  model of the computing energy, "model+rapl" if there were two.
- Counts and sums are exact. Quantiles are nearest-rank. Beyond 4,096 different latencies they are
  within 0.05%, because latencies are then rounded to 11 binary digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mc_sched.core.task import Energy, OutcomeKind, Site
from mc_sched.obs.report.summary import RunInfo, TaskResult

SCHEMA = "mc-sched/summary/2"
_DIGITS = 11
_EXACT = 4096
"""Number of different latencies up to which they are not rounded."""


def summarise(results: Iterable[TaskResult], info: RunInfo) -> dict[str, Any]:
    """Return the summary of a finished run."""
    running = RunningSummary()
    for result in results:
        running.add(result)
    return running.summary(info)


class RunningSummary:
    """Accumulates results; `summary` may be called at any time."""

    def __init__(self) -> None:
        self.tasks = 0
        self._kinds: Counter[OutcomeKind] = Counter()
        self._sites: Counter[Site] = Counter()
        self._exits: Counter[str] = Counter()
        self._gave_up = self._bytes_up = 0
        self._total_j = self._tail_j = 0.0
        self._sources: set[str] = set()
        self._answered = self._known = self._correct = self._correct_in_time = 0
        self._labelled = False
        self._expected = 0.0
        self._computed = self._cloud_ns = 0
        self._latency, self._agent_latency = LatencyCounts(), LatencyCounts()
        self._unseen = 0

    @property
    def sites(self) -> dict[str, int]:
        """Number of tasks that each site has answered so far."""
        return {site.value: count for site, count in self._sites.items()}

    def add(self, result: TaskResult) -> None:
        """Add one result."""
        outcome = result.outcome
        self.tasks += 1
        self._kinds[outcome.kind] += 1
        if result.claimed is not None and result.claimed.kind is OutcomeKind.SUCCEEDED:
            self._unseen += outcome.kind is OutcomeKind.LATE
        self._gave_up += outcome.gave_up
        self._bytes_up += outcome.bytes_up
        self._add_energy(outcome.energy)
        if outcome.site is not None:
            self._sites[outcome.site] += 1
        if outcome.exit:
            self._exits[outcome.exit] += 1
        if result.correct is not None:
            self._labelled = True
            self._correct_in_time += result.correct and outcome.kind is OutcomeKind.SUCCEEDED
        if outcome.prediction is not None:
            self._add_answer(result)

    def _add_energy(self, energy: Energy) -> None:
        self._total_j += energy.total_j
        self._tail_j += energy.radio_tail_j
        if energy.source not in self._sources and (energy.compute_j or energy.encode_j):
            self._sources.add(energy.source)

    def _add_answer(self, result: TaskResult) -> None:
        outcome = result.outcome
        self._answered += 1
        self._expected += outcome.expected_accuracy or 0.0
        self._latency.add(outcome.latency_ns)
        self._agent_latency.add((result.claimed or outcome).latency_ns)
        if outcome.cloud_ns:
            self._computed += 1
            self._cloud_ns += outcome.cloud_ns
        if result.correct is not None:
            self._known += 1
            self._correct += result.correct

    def summary(self, info: RunInfo) -> dict[str, Any]:
        """Return the summary so far; every key is always present."""
        in_time = self._kinds[OutcomeKind.SUCCEEDED]
        successes = self._correct_in_time if self._labelled else in_time
        return {
            "schema": SCHEMA,
            "policy": info.policy,
            "mode": info.mode,
            "link": info.link,
            "tasks": self.tasks,
            "outcomes": {kind.value: self._kinds[kind] for kind in OutcomeKind},
            "sites": {site.value: self._sites[site] for site in Site},
            "exits": dict(sorted(self._exits.items())),
            "gave_up": self._gave_up,
            "deadline_met": _share(in_time, self.tasks),
            "accuracy": _share(self._correct, self._known),
            "expected_accuracy": _share(self._expected, self._answered),
            "claimed_minus_seen": self._unseen,
            "latency_ms": self._latency.figures_ms(),
            "agent_latency_ms": self._agent_latency.figures_ms(),
            "cloud_ms": {"mean": _share(self._cloud_ns / 1e6, self._computed)},
            "bytes_up": self._bytes_up,
            "energy_j": self._energy(info),
            "e3_per_j": _share(successes, self._total_j),
            "e3_with_tail_per_j": _share(successes, self._total_j + self._tail_j),
            "e3_counts": "correct" if self._labelled else "expected",
        }

    def _energy(self, info: RunInfo) -> dict[str, Any]:
        return {
            "total": self._total_j,
            "per_task": _share(self._total_j, self.tasks),
            "idle": info.idle_w * info.duration_s if info.idle_j is None else info.idle_j,
            "source": _joined(self._sources) or info.energy_source,
            "tail": self._tail_j,
        }


def _joined(sources: Iterable[str]) -> str:
    """Return the names in all these sources, each once, joined by +."""
    return "+".join(sorted({name for source in sources for name in source.split("+")}))


class LatencyCounts:
    """Counts of latencies: exact while there are few different ones, then rounded."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._rounds = False
        self._number = 0
        self._sum_ns = self._max_ns = 0

    def add(self, latency_ns: int) -> None:
        """Add one latency, 0 or more."""
        self._counts[_rounded(latency_ns) if self._rounds else latency_ns] += 1
        self._number += 1
        self._sum_ns += latency_ns
        self._max_ns = max(self._max_ns, latency_ns)
        if not self._rounds and len(self._counts) > _EXACT:
            self._round()

    def _round(self) -> None:
        exact, self._counts, self._rounds = self._counts, Counter(), True
        for latency_ns, count in exact.items():
            self._counts[_rounded(latency_ns)] += count

    def figures_ms(self) -> dict[str, float]:
        """Return mean, quantiles and maximum for the summary; 0 if there are no latencies."""
        return {
            "mean": _share(self._sum_ns / 1e6, self._number),
            **{f"p{percent}": self._rank_ns(percent) / 1e6 for percent in (50, 95, 99)},
            "max": self._max_ns / 1e6,
        }

    def _rank_ns(self, percent: int) -> int:
        rank = max(1, -(-self._number * percent // 100))
        for latency_ns in sorted(self._counts):
            rank -= self._counts[latency_ns]
            if rank <= 0:
                return min(self._max_ns, latency_ns)
        return 0


def _rounded(latency_ns: int) -> int:
    """Round to _DIGITS binary digits, to the middle of the rounding interval."""
    spare = max(0, latency_ns.bit_length() - _DIGITS)
    return (latency_ns >> spare << spare) + ((1 << spare) >> 1)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
