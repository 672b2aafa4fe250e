"""The one summary of a run, printed by live runs and simulated ones alike.

Conventions: `deadline_met` is over all submitted tasks, refused ones count as not met. Latency,
accuracy and expected accuracy are over answered tasks, those that got a prediction whether in
time or not. Quantiles are nearest-rank. E3 = Ns / (N * E) with E the mean joules per task, so it
is Ns over all joules; Ns are the succeeded tasks, and where labels are known only those of them
whose top-5 holds the label (Tang et al. 2020, section "A case study"). Joules are told without the
radio's tail, and E3 both ways; `source` names who says what computing cost, "model+rapl" if two do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mc_sched.core.quantiles import nearest_rank
from mc_sched.core.task import Outcome, OutcomeKind, Site

SCHEMA = "mc-sched/summary/1"


@dataclass(frozen=True)
class TaskResult:
    """An outcome, and whether its top-5 holds the true label (None: the label is not known)."""

    outcome: Outcome
    correct: bool | None = None
    error: str = ""
    """Set when the input was bad: names the field."""
    submitted_s: float = 0.0
    """From the start of the stream."""


@dataclass(frozen=True)
class RunInfo:
    """What a summary says of the run itself."""

    policy: str
    mode: str
    link: str
    duration_s: float
    idle_w: float = 0.0
    energy_source: str = "model"
    """Of a run in which nothing was computed here."""
    idle_j: float | None = None
    """Measured over the run; None: `idle_w` for as long as it took."""


def summarise(results: Sequence[TaskResult], info: RunInfo) -> dict[str, Any]:
    """The summary object of a run; all keys are always there."""
    outcomes = [result.outcome for result in results]
    answered = [o for o in outcomes if o.prediction is not None]
    kinds = Counter(o.kind for o in outcomes)
    succeeded = kinds[OutcomeKind.SUCCEEDED]
    total_j = sum(o.energy.total_j for o in outcomes)
    tail_j = sum(o.energy.radio_tail_j for o in outcomes)
    idle_j = info.idle_w * info.duration_s if info.idle_j is None else info.idle_j
    labelled = any(result.correct is not None for result in results)
    return {
        "schema": SCHEMA,
        "policy": info.policy,
        "mode": info.mode,
        "link": info.link,
        "tasks": len(outcomes),
        "outcomes": {kind.value: kinds[kind] for kind in OutcomeKind},
        "sites": {site.value: sum(o.site is site for o in outcomes) for site in Site},
        "exits": dict(sorted(Counter(o.exit for o in outcomes if o.exit).items())),
        "gave_up": sum(o.gave_up for o in outcomes),
        "deadline_met": _share(succeeded, len(outcomes)),
        "accuracy": _accuracy(results),
        "expected_accuracy": _mean([o.expected_accuracy or 0.0 for o in answered]),
        "latency_ms": _latency([o.latency_ns / 1e6 for o in answered]),
        "cloud_ms": {"mean": _mean([o.cloud_ns / 1e6 for o in answered if o.cloud_ns])},
        "bytes_up": sum(o.bytes_up for o in outcomes),
        "energy_j": {
            "total": total_j,
            "per_task": _share(total_j, len(outcomes)),
            "idle": idle_j,
            "source": _source(outcomes) or info.energy_source,
            "tail": tail_j,
        },
        "e3_per_j": _share(_successes(results, labelled), total_j),
        "e3_with_tail_per_j": _share(_successes(results, labelled), total_j + tail_j),
        "e3_counts": "correct" if labelled else "expected",
    }


def _source(outcomes: Iterable[Outcome]) -> str:
    """Everyone who said what computing cost, joined by +; "" if nothing was computed."""
    worked = (o.energy for o in outcomes if o.energy.compute_j or o.energy.encode_j)
    return joined_sources({energy.source for energy in worked})


def joined_sources(sources: Iterable[str]) -> str:
    """Who is named in any of these sources, joined by +."""
    return "+".join(sorted({name for source in sources for name in source.split("+")}))


def _successes(results: Iterable[TaskResult], labelled: bool) -> int:
    return sum(
        result.outcome.kind is OutcomeKind.SUCCEEDED and (result.correct is True or not labelled)
        for result in results
    )


def _accuracy(results: Iterable[TaskResult]) -> float:
    known = [r.correct for r in results if r.correct is not None and r.outcome.prediction]
    return _share(sum(known), len(known))


def _latency(latencies_ms: list[float]) -> dict[str, float]:
    ordered = sorted(latencies_ms) or [0.0]
    return {
        "mean": _mean(latencies_ms),
        "p50": nearest_rank(ordered, 0.50),
        "p95": nearest_rank(ordered, 0.95),
        "p99": nearest_rank(ordered, 0.99),
        "max": ordered[-1],
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def result_row(result: TaskResult) -> dict[str, Any]:
    """One frame's result as a JSON object: its outcome, with what is known of its truth."""
    row = asdict(result)
    row = {**row.pop("outcome"), **row}
    row["energy"]["total_j"] = result.outcome.energy.total_j
    return row


def summary_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary as label and text, for people."""
    sites, latency, energy = summary["sites"], summary["latency_ms"], summary["energy_j"]
    exits = ", ".join(f"{name} {count}" for name, count in summary["exits"].items()) or "none"
    outcomes = ", ".join(f"{count} {kind}" for kind, count in summary["outcomes"].items() if count)
    rows = [
        ("frames", f"{summary['tasks']}: {outcomes}"),
        ("in time", f"{summary['deadline_met']:.1%}"),
        ("answered by", f"edge {sites['edge']}, cloud {sites['cloud']}"),
        ("exits", exits),
        ("given up on the cloud", f"{summary['gave_up']}"),
        ("latency", f"p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, "
                    f"max {latency['max']:.1f} ms"),
        ("expected accuracy", f"{summary['expected_accuracy']:.1%}"),
    ]  # fmt: skip
    if summary["e3_counts"] == "correct":
        rows.append(("top-5 correct", f"{summary['accuracy']:.1%}"))
    tail = f", {summary['e3_with_tail_per_j']:.1f} with the radio's tail" if energy["tail"] else ""
    rows += [
        ("sent", f"{summary['bytes_up'] / 1000:.0f} kB"),
        ("energy", f"{energy['per_task'] * 1e3:.1f} mJ a frame above idle ({energy['source']})"),
        ("E3", f"{summary['e3_per_j']:.1f} successes per joule ({summary['e3_counts']}){tail}"),
    ]
    return rows
