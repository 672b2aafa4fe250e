"""The paper's figures 3 to 8: execution time and the cloud's share against QoR, for each link.

One image arrives per second and may take a second, so images never overlap. "The system tries to
give an acceptable result as soon as possible", so `mc` has the exit rule `earliest`; `mc-paper`
keeps its own, which pursues better exits while time permits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mc_sched.core.task import ExitRule, Mode
from mc_sched.experiments.cells import LINKS, QORS, Cell
from mc_sched.experiments.figures.bars import draw_bars
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.headline import headline
from mc_sched.experiments.measure import UNITS, Row
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.sweep import sweep
from mc_sched.experiments.systems import OURS, System, systems
from mc_sched.experiments.worker_pool import WorkerPool

FPS = 1.0
QOS_NS = 1_000_000_000
TASKS_DIVISOR = 4
"""Images that do not overlap vary little, so a fraction of a cell's tasks is enough."""
FIGURE_NUMBERS = {
    "a": {"wifi": 3, "4g": 4, "3g": 5},
    "b": {"wifi": 6, "4g": 7, "3g": 8},
}


def cells() -> list[Cell]:
    """Return the cells: both sets, three links, four QoRs."""
    return [
        Cell(net_set, link, qor, QOS_NS, FPS, exit_rule=ExitRule.EARLIEST)
        for net_set in SETS
        for link in LINKS
        for qor in QORS
    ]


def shown() -> tuple[System, ...]:
    """Return the systems in the figures: ours in both modes, the others in performance mode."""
    return tuple(s for s in systems() if s.policy in OURS or s.mode is Mode.PERFORMANCE)


def measure(setting: Setting, pool: WorkerPool) -> list[Row]:
    """Return a row per cell and system."""
    fewer = setting.with_tasks(max(10, setting.tasks // TASKS_DIVISOR))
    return sweep("figures", fewer, cells(), systems(), pool)


def findings(setting: Setting, rows: Sequence[Row], table_rows: Sequence[Row]) -> Findings:
    """Make the figures and their table; `table_rows` are those of table 2, for the E3 ratios."""
    return Findings(
        name="figures",
        title="Execution time against QoR (the paper's figures 3 to 8)",
        report={
            **setting.description(),
            "headline": headline(rows, table_rows),
            "units": UNITS,
            "rows": list(rows),
        },
        table=_table(rows),
        notes=("ms until the answer (of which in the cloud); - if the QoR is not reached",),
        rows=rows,
        figures=[_figure(net_set, rows) for net_set in SETS],
    )


def _figure(net_set: str, rows: Sequence[Row]) -> Figure:
    own = [row for row in rows if row["set"] == net_set]
    return Figure(
        f"figures-set-{net_set}",
        f"Set {net_set.upper()}: execution time against QoR, with the cloud's share in black",
        partial(draw_bars, own, shown(), FIGURE_NUMBERS[net_set]),
    )


def _table(rows: Sequence[Row]) -> Table:
    heads = ("set, link", "system", *(f"{qor:.0%}" for qor in QORS))
    lines = [heads]
    for net_set in SETS:
        for link in LINKS:
            for system in shown():
                of = [
                    row
                    for row in rows
                    if (row["set"], row["link"]) == (net_set, link)
                    and (row["policy"], row["mode"]) == (system.policy, system.mode.value)
                ]
                lines.append((f"{net_set}, {link}", system.name, *map(_format_times, of)))
    return lines


def _format_times(row: Row) -> str:
    return f"{row['latency']:.1f} ({row['cloud']:.1f})" if row["success"] > 0 else "-"
