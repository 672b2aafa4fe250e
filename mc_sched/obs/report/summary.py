"""Parts of a summary: one task's result, the run's description, and rows for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mc_sched.core.task import Outcome, OutcomeKind
from mc_sched.core.value import value


@value
class Claim:
    """The part of an outcome on which agent and client can differ, as the agent reports it."""

    kind: OutcomeKind
    latency_ns: int


def claim_of(outcome: Outcome | None) -> Claim | None:
    """Return the claim in an outcome that an agent reports."""
    return None if outcome is None else Claim(outcome.kind, outcome.latency_ns)


@value
class TaskResult:
    """The result of one frame."""

    outcome: Outcome
    """As the client saw it."""
    correct: bool | None = None
    """True if the top-5 contains the true label; None if the label is not known."""
    error: str = ""
    """Set if the input was bad; names the field."""
    submitted_s: float = 0.0
    """Time since the start of the stream."""
    claimed: Claim | None = None
    """As the agent reports it; None: as the client saw it, or the agent has sent no outcome."""


@dataclass(frozen=True)
class RunInfo:
    """Description of a run, for its summary."""

    policy: str
    mode: str
    link: str
    duration_s: float
    idle_w: float = 0.0
    energy_source: str = "model"
    """Source of the joules if the edge computed nothing in the run."""
    idle_j: float | None = None
    """Measured over the run; None: `idle_w` times the duration."""


def result_row(result: TaskResult) -> dict[str, Any]:
    """Return one frame's result as a JSON object, the outcome's fields at the top."""
    row = asdict(result)
    row = {**row.pop("outcome"), **row}
    row["energy"]["total_j"] = result.outcome.energy.total_j
    return row


def summary_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the summary as (label, text) rows for people."""
    sites, latency, energy = summary["sites"], summary["latency_ms"], summary["energy_j"]
    exits = ", ".join(f"{name} {count}" for name, count in summary["exits"].items()) or "none"
    outcomes = ", ".join(f"{count} {kind}" for kind, count in summary["outcomes"].items() if count)
    rows = [
        ("frames", f"{summary['tasks']}: {outcomes}"),
        ("in time", _in_time(summary)),
        ("answered by", f"edge {sites['edge']}, cloud {sites['cloud']}"),
        ("exits", exits),
        ("given up on the cloud", f"{summary['gave_up']}"),
        ("latency", _latency(latency)),
    ]
    if summary["agent_latency_ms"] != latency:
        rows.append(("latency in the agent", _latency(summary["agent_latency_ms"])))
    rows.append(("expected accuracy", f"{summary['expected_accuracy']:.1%}"))
    e3_unit = "answers in time"
    if summary["e3_counts"] == "correct":
        e3_unit = "correct answers in time"
        rows.append(("top-5 correct", f"{summary['accuracy']:.1%}"))
    tail = f", {summary['e3_with_tail_per_j']:.1f} with the radio's tail" if energy["tail"] else ""
    rows += [
        ("sent", f"{summary['bytes_up'] / 1000:.0f} kB"),
        ("energy", f"{energy['per_task'] * 1e3:.1f} mJ per frame above idle ({energy['source']})"),
        ("E3", f"{summary['e3_per_j']:.1f} {e3_unit} per joule{tail}"),
    ]
    return rows


def _latency(ms: dict[str, float]) -> str:
    return f"p50 {ms['p50']:.1f} ms, p95 {ms['p95']:.1f} ms, max {ms['max']:.1f} ms"


def _in_time(summary: dict[str, Any]) -> str:
    text, unseen = f"{summary['deadline_met']:.1%}", summary["claimed_minus_seen"]
    return f"{text}; the agent claims {unseen} more" if unseen else text
