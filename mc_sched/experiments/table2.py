"""The paper's table 2: E3 under QoR and QoS constraints, at 12 frames per second."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mc_sched.experiments.cells import LINKS, QORS, Cell
from mc_sched.experiments.figures.dots import draw_e3
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.headline import grouped, headline
from mc_sched.experiments.measure import UNITS, Row
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.sweep import sweep
from mc_sched.experiments.systems import systems
from mc_sched.experiments.worker_pool import WorkerPool

QOS_NS = (84_000_000, 200_000_000, 500_000_000)
"""The deadline of the paper's case study, and two that slower links can meet."""


def cells() -> list[Cell]:
    """Return the cells: both sets, three links, four QoRs, three QoSs."""
    return [
        Cell(net_set, link, qor, qos_ns)
        for net_set in SETS
        for link in LINKS
        for qor in QORS
        for qos_ns in QOS_NS
    ]


def measure(setting: Setting, pool: WorkerPool) -> list[Row]:
    """Return a row per cell and system."""
    return sweep("table2", setting, cells(), systems(), pool)


def findings(setting: Setting, rows: Sequence[Row], figure_rows: Sequence[Row]) -> Findings:
    """Make the table; `figure_rows` are those of the paper's figures, for the reductions."""
    return Findings(
        name="table2",
        title="E3 under QoR and QoS constraints (the paper's table 2)",
        report={
            **setting.description(),
            "headline": headline(figure_rows, rows),
            "units": UNITS,
            "rows": list(rows),
        },
        table=_table(rows),
        notes=("successes per joule (right answers in time); - if no task succeeds",),
        rows=rows,
        figures=[
            Figure(
                f"table2-set-{net_set}",
                f"Set {net_set.upper()}: E3 under QoR and QoS constraints",
                partial(draw_e3, [row for row in rows if row["set"] == net_set]),
            )
            for net_set in SETS
        ],
    )


def _table(rows: Sequence[Row]) -> Table:
    cells = grouped(rows, lambda row: (row["set"], row["link"], row["qos"]))
    heads = ("set, link, QoS", "system", *(f"{qor:.0%}" for qor in QORS))
    lines: Table = [heads]
    for cell in cells:
        first = cell[0]
        where = f"{first['set']}, {first['link']}, {first['qos']:.0f} ms"
        for system in systems():
            own = [r for r in cell if (r["policy"], r["mode"]) == (system.policy, system.mode)]
            lines.append((where, system.name, *(_format_e3(row) for row in own)))
    return lines


def _format_e3(row: Row) -> str:
    return f"{row['e3']:.2f}" if row["e3"] > 0 else "-"
