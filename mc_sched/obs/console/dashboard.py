"""Figures of a time range for the dashboard view. Times are seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mc_sched.obs.console.asked import width_s
from mc_sched.obs.store.bounds import Line
from mc_sched.obs.store.query import Query, Term
from mc_sched.obs.store.reader import Count
from mc_sched.obs.store.stores import Stores

POINTS = 2000
"""Newest samples of each kind; a chart has fewer pixels."""
BARS = 120
_EDGE = Term("node", "=", "edge")


def dashboard(stores: Stores, query: Query) -> dict[str, Any]:
    """Outcomes, sites, exits and give-ups per bar; tasks, link, power and losses one by one."""
    span = stores.span()
    if span is not None:  # an agent that started a minute ago fills the width as well
        query = replace(query, since_ns=max(query.since_ns, span[0]))
    width = width_s(query, BARS)

    def named(name: str) -> Query:
        return replace(query, terms=(Term("name", "=", name), _EDGE), words=())

    def newest(name: str) -> list[Line]:
        return list(reversed(stores.lines(named(name), POINTS)))

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
            for line in newest("Submitted")
        ],
        "rtt_ms": [
            [_s(line), line.record["data"]["rtt_ns"] / 1e6] for line in newest("LinkSampled")
        ],
        "power_w": [[_s(line), line.record["data"]["power_w"]] for line in newest("PowerSampled")],
        "link": sorted(
            [[_s(line), 0] for line in newest("CloudGone")]
            + [[_s(line), 1] for line in newest("CloudFound")]
        ),
        "forecasts": _forecasts(newest("RecordScore")),
    }


def _bars(counts: Iterable[Count]) -> dict[str, list[list[int]]]:
    series: dict[str, list[list[int]]] = {}
    for bar, (value,), count in counts:
        if value:
            series.setdefault(value, []).append([bar, count])
    return series


def _tasks(stores: Stores, finishes: Query) -> list[list[Any]]:
    """Of each task: when it ended, latency, site, predicted latency, id, E3 of the range so far."""
    rows: list[list[Any]] = []
    succeeded, joules = 0, 0.0
    for line in reversed(stores.lines(finishes, POINTS)):
        outcome = line.record["data"]["outcome"]
        energy = outcome["energy"]
        joules += sum(
            energy[f"{part}_j"] for part in ("compute", "encode", "radio_up", "radio_down")
        )
        succeeded += outcome["kind"] == "succeeded"
        predicted = outcome["predicted_ns"]
        rows.append(
            [_s(line), outcome["latency_ns"] / 1e6, outcome["site"] or "none",
             None if predicted is None else predicted / 1e6, outcome["task_id"],
             succeeded / joules if joules else None]
        )  # fmt: skip
    return rows


def _forecasts(lines: Iterable[Line]) -> dict[str, list[list[float]]]:
    """Predictor to pairs of what was expected and what happened, in milliseconds."""
    pairs: dict[str, list[list[float]]] = {}
    for line in lines:
        score = line.record["data"]["score"]
        pair = [score["mean_ns"] / 1e6, score["actual_ns"] / 1e6]
        pairs.setdefault(score["predictor"], []).append(pair)
    return pairs


def _s(line: Line) -> float:
    return line.id / 1e9
