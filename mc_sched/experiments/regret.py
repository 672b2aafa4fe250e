"""Every system compared with the oracle, on constant and recorded links."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mc_sched.experiments.cells import Cell
from mc_sched.experiments.confidence_interval import half_width, mean
from mc_sched.experiments.figures.dots import draw_regret
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.headline import cell_key, grouped
from mc_sched.experiments.measure import UNITS, Row
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.sweep import sweep
from mc_sched.experiments.systems import systems
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool

_BELOW = (
    "cells in which the E3 of `mc`, in its better mode, is significantly below a baseline's, and "
    "the E3 of an oracle in that cell that serves every task it can"
)
QORS = (0.75, 0.85)
QOS_NS = (200_000_000, 500_000_000)
TASKS_FACTOR = 4
"""Traces vary, so cells on them have this many times the tasks of others."""


def cells(traces: Sequence[TracePair]) -> list[Cell]:
    """Return the cells on traces: both sets, two QoRs, two QoSs. Table 2 has the constant links."""
    return [
        Cell(net_set, trace.kind, qor, qos_ns, trace=trace)
        for trace in traces
        for net_set in SETS
        for qor in QORS
        for qos_ns in QOS_NS
    ]


def measure(setting: Setting, traces: Sequence[TracePair], pool: WorkerPool) -> list[Row]:
    """Return a row per cell on traces and system."""
    longer = setting.with_tasks(TASKS_FACTOR * setting.tasks)
    return sweep("oracle", longer, cells(traces), systems(), pool)


def findings(setting: Setting, table_rows: Sequence[Row], trace_rows: Sequence[Row]) -> Findings:
    """Compare with the oracle; `table_rows` are those of table 2, on constant links."""
    rows = [*table_rows, *trace_rows]
    short = below(rows)
    return Findings(
        name="oracle",
        title="Successes per joule, relative to the oracle",
        report={
            **setting.description(),
            "units": UNITS,
            "by_link": by_link(rows),
            "below_baseline": short,
            "rows": rows,
        },
        table=_table(rows),
        more_tables=((_BELOW, _below_table(short)),) if short else (),
        notes=(
            "mean over the cells of a link (minimum in parentheses); successes in time with the "
            "required accuracy, right or wrong, for both",
            "a system above 1 leaves out expensive tasks; see `success`",
        ),
        rows=rows,
        figures=[
            Figure(
                "oracle",
                "Successes per joule, relative to the oracle: a dot per cell, a line to the mean",
                partial(draw_regret, rows),
            )
        ],
    )


def link_of(row: Row) -> str:
    """Return the name of the trace, or the kind of the link."""
    return str(row["trace"] or row["link"])


def by_link(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return mean and minimum ratio per system, over the cells where any task can be served."""
    feasible = [row for row in rows if row["oracle_success"] > 0]
    found = []
    for group in grouped(feasible, lambda row: (link_of(row), row["policy"], row["mode"])):
        ratios = [row["oracle_ratio"] for row in group]
        found.append(
            {
                "link": link_of(group[0]),
                "policy": group[0]["policy"],
                "mode": group[0]["mode"],
                "mean": sum(ratios) / len(ratios),
                "min": min(ratios),
                "cells": len(ratios),
            }
        )
    return found


def below(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the cells in which `mc`, in its better mode, has clearly less E3 than a baseline."""
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
    """Return a line per cell, with its best baseline."""
    lines: Table = [
        ("cell", "E3 over the best baseline's", "oracle's", "in time, mc", "in time, baseline")
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
        ratios = (f"{own[link]['mean']:.2f} ({own[link]['min']:.2f})" for link in links)
        lines.append((system.policy, system.mode.value, *ratios))
    return lines
