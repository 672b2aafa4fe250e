"""Many cells, measured by a crew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mc_sched.experiments.cells import Cell
from mc_sched.experiments.measure import Row, measure_cell
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.systems import System
from mc_sched.experiments.worker_pool import WorkerPool
from mc_sched.sim.scenario import Tables


@dataclass(frozen=True)
class _Job:
    setting: Setting
    cell: Cell
    systems: tuple[System, ...]
    tables: Tables


def measured(
    what: str,
    setting: Setting,
    cells: Sequence[Cell],
    systems: tuple[System, ...],
    crew: WorkerPool,
) -> list[Row]:
    """The rows of all cells, in their order."""
    tables = {net_set: setting.tables(net_set) for net_set in {cell.net_set for cell in cells}}
    jobs = [_Job(setting, cell, systems, tables[cell.net_set]) for cell in cells]
    return [row for rows in crew.do(what, _done, jobs) for row in rows]


def _done(job: _Job) -> list[Row]:
    return measure_cell(job.setting, job.cell, job.systems, job.tables)
