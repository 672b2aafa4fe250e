"""The headline ratios of the paper, for our scheduler and for the paper's.

Latency and cloud time, at each QoR: the reduction in percent against the mean of the three
baselines in every cell (set, link), averaged over the cells in which all four systems reach the
QoR. The smallest and the largest over the QoRs are reported. The mode is `performance`, since in
the paper's figures "the system tries to give an acceptable result as soon as possible".

E3: the ratio to a baseline in every cell (set, link, QoR, QoS), in `energy` mode, which optimises
E3; the geometric mean over the cells in which both have successes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mc_sched.core.task import Mode
from mc_sched.experiments.measure import Row
from mc_sched.experiments.systems import MODE_DEPENDENT, OURS, PAPER_BASELINES

REACHED = 0.5
"""Share of answered tasks from which on a system is considered to reach a cell's QoR."""


def cuts(rows: Sequence[Row], policy: str, mode: Mode, column: str) -> dict[float, float]:
    """Return by QoR the reduction of a column against the three baselines, in percent."""
    found: dict[float, list[float]] = {}
    for cell in _cells(rows):
        ours = _row(cell, policy, mode)
        three = [_row(cell, name, mode) for name in PAPER_BASELINES]
        if all(row and row["success"] >= REACHED for row in (ours, *three)):
            theirs = sum(row[column] for row in three if row) / len(three)
            if ours and theirs > 0:
                found.setdefault(ours["qor"], []).append(100 * (1 - ours[column] / theirs))
    return {qor: sum(values) / len(values) for qor, values in found.items()}


def e3_over(rows: Sequence[Row], policy: str, mode: Mode, baseline: str) -> dict[str, Any]:
    """Return the geometric mean of the E3 ratio, and the number of cells."""
    ratios = []
    for cell in _cells(rows):
        ours, theirs = _row(cell, policy, mode), _row(cell, baseline, mode)
        if ours and theirs and ours["e3"] > 0 and theirs["e3"] > 0:
            ratios.append(ours["e3"] / theirs["e3"])
    if not ratios:
        return {"ratio": None, "cells": 0}
    return {"ratio": math.exp(sum(map(math.log, ratios)) / len(ratios)), "cells": len(ratios)}


def headline(figure_rows: Sequence[Row], table_rows: Sequence[Row]) -> dict[str, Any]:
    """Return the ratios of both our systems; None if there is nothing to compare."""
    return {policy: _of(policy, figure_rows, table_rows) for policy in OURS}


def _of(policy: str, figure_rows: Sequence[Row], table_rows: Sequence[Row]) -> dict[str, Any]:
    latency = cuts(figure_rows, policy, Mode.PERFORMANCE, "latency")
    cloud = cuts(figure_rows, policy, Mode.PERFORMANCE, "cloud")
    ddnn, jointdnn = (e3_over(table_rows, policy, Mode.ENERGY, b) for b in ("ddnn", "jointdnn"))
    return {
        "latency_cut_pct": _range(latency),
        "cloud_time_cut_pct": _range(cloud),
        "e3_over_ddnn": ddnn["ratio"],
        "e3_over_jointdnn": jointdnn["ratio"],
        "cells": {"ddnn": ddnn["cells"], "jointdnn": jointdnn["cells"]},
    }


def _range(by_qor: dict[float, float]) -> dict[str, Any]:
    if not by_qor:
        return {"min": None, "max": None, "by_qor": {}}
    named = {f"{qor:.2f}": cut for qor, cut in sorted(by_qor.items())}
    return {"min": min(by_qor.values()), "max": max(by_qor.values()), "by_qor": named}


def _row(cell: Sequence[Row], policy: str, mode: Mode) -> Row | None:
    """Return the policy's row, in this mode if the policy depends on the mode."""
    for row in cell:
        if row["policy"] == policy and (policy not in MODE_DEPENDENT or row["mode"] == mode.value):
            return row
    return None


def cell_key(row: Row) -> tuple[object, ...]:
    """Return the columns that identify a row's cell."""
    return tuple(row[name] for name in ("set", "link", "trace", "qor", "qos"))


def _cells(rows: Iterable[Row]) -> list[list[Row]]:
    return grouped(rows, cell_key)


def grouped(rows: Iterable[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    """Group rows by key, in the order of the keys' first rows."""
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())
