"""Data of the dashboard view for a time range. Times are seconds since 1970."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mc_sched.obs.console.page_query import width_s
from mc_sched.obs.store.bounds import Line
from mc_sched.obs.store.query import Query, Term
from mc_sched.obs.store.reader import Count
from mc_sched.obs.store.stores import Stores

TASKS, SAMPLES = 1000, 500
"""Points per chart, evenly distributed over the range; a chart has no more pixels."""
BARS = 120
E3_TASKS = 50
"""Number of shown tasks in a value of E3."""
_EDGE = Term("node", "=", "edge")


def dashboard(stores: Stores, query: Query) -> dict[str, Any]:
    """Return outcomes, sites, exits and give-ups per bar, and tasks and samples as points."""
    span = stores.span()
    if span is not None:  # begin with the first line, so that a young log fills the width as well
        query = replace(query, since_ns=max(query.since_ns, span[0]))
    width = width_s(query, BARS)

    def named(name: str) -> Query:
        return replace(query, terms=(Term("name", "=", name), _EDGE), words=())

    def some(name: str) -> list[Line]:
        return stores.thinned(named(name), SAMPLES)

    finishes = named("Finish")
    return {
        "width_s": width,
        "outcomes": _bars(stores.counts(finishes, width, ["outcome"])),
        "sites": _bars(stores.counts(finishes, width, ["site"])),
        "exits": _bars(stores.counts(finishes, width, ["exit"])),
        "gave_up": _bars(stores.counts(named("SendGiveUp"), width, ["name"])),
        "tasks": _tasks(stores, finishes),
        "deadline_ms": [
            [_s(line), line.record["data"]["task"]["deadline_ns"] / 1e6]
            for line in some("Submitted")
        ],
        "rtt_ms": [[_s(line), line.record["data"]["rtt_ns"] / 1e6] for line in some("LinkSampled")],
        "power_w": [[_s(line), line.record["data"]["power_w"]] for line in some("PowerSampled")],
        "link": sorted(
            [[_s(line), 0] for line in some("CloudGone")]
            + [[_s(line), 1] for line in some("CloudFound")]
        ),
        "forecasts": _forecasts(some("RecordScore")),
    }


def _bars(counts: Iterable[Count]) -> dict[str, list[list[int]]]:
    series: dict[str, list[list[int]]] = {}
    for bar, (value,), count in counts:
        if value:
            series.setdefault(value, []).append([bar, count])
    return series


def _tasks(stores: Stores, finishes: Query) -> list[list[Any]]:
    """Return a row per task: end, latency, site, predicted latency, id, E3 of the last tasks."""
    rows: list[list[Any]] = []
    last: deque[tuple[bool, float]] = deque(maxlen=E3_TASKS)
    for line in stores.thinned(finishes, TASKS):
        outcome = line.record["data"]["outcome"]
        predicted = outcome["predicted_ns"]
        last.append((outcome["kind"] == "succeeded", _joules(outcome["energy"])))
        joules = sum(spent for _, spent in last)
        rows.append(
            [_s(line), outcome["latency_ns"] / 1e6, outcome["site"] or "none",
             None if predicted is None else predicted / 1e6, outcome["task_id"],
             sum(succeeded for succeeded, _ in last) / joules if joules else None]
        )  # fmt: skip
    return rows


def _joules(energy: dict[str, Any]) -> float:
    """Return a task's joules without the radio's tail, as in summaries."""
    parts = ("compute", "encode", "radio_up", "radio_down")
    return sum(float(energy[f"{part}_j"]) for part in parts)


def _forecasts(lines: Iterable[Line]) -> dict[str, list[list[float]]]:
    """Map each predictor to (expected, actual) pairs in milliseconds."""
    pairs: dict[str, list[list[float]]] = {}
    for line in lines:
        score = line.record["data"]["score"]
        pair = [score["mean_ns"] / 1e6, score["actual_ns"] / 1e6]
        pairs.setdefault(score["predictor"], []).append(pair)
    return pairs


def _s(line: Line) -> float:
    return line.id / 1e9
