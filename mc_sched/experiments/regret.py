"""How far every system is from the oracle, on constant links and on recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mc_sched.experiments.cells import Cell
from mc_sched.experiments.confidence_interval import half_width, mean
from mc_sched.experiments.figures.dots import draw_regret
from mc_sched.experiments.findings import Findings, Picture, Table
from mc_sched.experiments.headline import cell_key, grouped
from mc_sched.experiments.measure import UNITS, Row
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.sweep import measured
from mc_sched.experiments.systems import systems
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool

_BELOW = (
    "cells in which `mc`, in its better mode, is below a baseline by more than noise, and what an "
    "oracle has there that serves every task it can"
)
QORS = (0.75, 0.85)
QOS_NS = (200_000_000, 500_000_000)
LONGER = 4
"""Traces change: they get so many times the tasks of a cell on a constant link."""


def cells(traces: Sequence[TracePair]) -> list[Cell]:
    """On the traces: both sets, two QoRs, two QoSs. The constant links' are those of table 2."""
    return [
        Cell(net_set, trace.kind, qor, qos_ns, trace=trace)
        for trace in traces
        for net_set in SETS
        for qor in QORS
        for qos_ns in QOS_NS
    ]


def measure(setting: Setting, traces: Sequence[TracePair], crew: WorkerPool) -> list[Row]:
    """A row per cell and system, on the traces."""
    longer = setting.with_tasks(LONGER * setting.tasks)
    return measured("oracle", longer, cells(traces), systems(), crew)


def findings(setting: Setting, table_rows: Sequence[Row], trace_rows: Sequence[Row]) -> Findings:
    """`table_rows`: those of table 2, on constant links."""
    rows = [*table_rows, *trace_rows]
    short = below(rows)
    return Findings(
        name="oracle",
        title="Successes per joule, of the oracle's",
        report={
            **setting.described(),
            "units": UNITS,
            "by_link": by_link(rows),
            "below_baseline": short,
            "rows": rows,
        },
        table=_table(rows),
        more=((_BELOW, _below_table(short)),) if short else (),
        notes=(
            "mean over the cells of a link, and the least; successes in time at the demanded "
            "accuracy, right or wrong, on both sides",
            "above 1 is who leaves out tasks that cost more than others; see `success`",
        ),
        rows=rows,
        pictures=[
            Picture(
                "oracle",
                "Successes per joule, of the oracle's: every cell a dot, the mean a line",
                partial(draw_regret, rows),
            )
        ],
    )


def link_of(row: Row) -> str:
    """The trace's name, or the kind."""
    return str(row["trace"] or row["link"])


def by_link(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Mean and least ratio of each system, over the cells in which anything can be served."""
    served = [row for row in rows if row["oracle_success"] > 0]
    found = []
    for group in grouped(served, lambda row: (link_of(row), row["policy"], row["mode"])):
        ratios = [row["oracle_ratio"] for row in group]
        found.append(
            {
                "link": link_of(group[0]),
                "policy": group[0]["policy"],
                "mode": group[0]["mode"],
                "mean": sum(ratios) / len(ratios),
                "least": min(ratios),
                "cells": len(ratios),
            }
        )
    return found


def below(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Cells in which `mc`, in its better mode, has less E3 than a baseline by more than noise."""
    found = []
    for cell in grouped(rows, cell_key):
        ours = max((row for row in cell if row["policy"] == "mc"), key=lambda row: row["e3"])
        for row in cell:
            if row["policy"] not in ("mc", "mc-paper") and row["e3"] > ours["e3"]:
                pairs = zip(row["e3_by_seed"], ours["e3_by_seed"], strict=True)
                by = [theirs - own for theirs, own in pairs]
                if mean(by) > half_width(by):
                    found.append(_shortfall(ours, row))
    return found


def _shortfall(ours: Row, theirs: Row) -> dict[str, Any]:
    names = ("set", "link", "trace", "qor", "qos")
    return {
        **{name: ours[name] for name in names},
        "baseline": theirs["policy"],
        "baseline_mode": theirs["mode"],
        "e3_ratio": ours["e3"] / theirs["e3"],
        "oracle_e3_ratio": ours["oracle_e3_right"] / theirs["e3"],
        "success": [ours["success"], theirs["success"]],
    }


def _below_table(short: Sequence[dict[str, Any]]) -> Table:
    """A line per cell, of the baseline that is farthest above."""
    lines: Table = [
        ("cell", "of the best baseline's E3", "the oracle's", "in time, mc", "in time, baseline")
    ]
    for cell in grouped(short, cell_key):
        worst = min(cell, key=lambda found: found["e3_ratio"])
        ours, theirs = (f"{share:.0%}" for share in worst["success"])
        where = f"set {worst['set'].upper()}, {link_of(worst)}, {worst['qos']:.0f} ms"
        of = f"{worst['e3_ratio']:.2f} of {worst['baseline']}"
        oracle = f"{worst['oracle_e3_ratio']:.2f}"
        lines.append((f"{where}, QoR {worst['qor']:.0%}", of, oracle, ours, theirs))
    return lines


def _table(rows: Sequence[Row]) -> Table:
    groups = by_link(rows)
    links = list(dict.fromkeys(group["link"] for group in groups))
    lines: Table = [("system", "", *links)]
    for system in systems():
        own = {
            g["link"]: g for g in groups if (g["policy"], g["mode"]) == (system.policy, system.mode)
        }
        told = (f"{own[link]['mean']:.2f} ({own[link]['least']:.2f})" for link in links)
        lines.append((system.policy, system.mode.value, *told))
    return lines
