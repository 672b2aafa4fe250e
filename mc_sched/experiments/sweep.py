"""Measures many cells in parallel."""

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


def sweep(
    name: str,
    setting: Setting,
    cells: Sequence[Cell],
    systems: tuple[System, ...],
    pool: WorkerPool,
) -> list[Row]:
    """Return the rows of all cells, in the order of the cells."""
    tables = {net_set: setting.tables(net_set) for net_set in {cell.net_set for cell in cells}}
    jobs = [_Job(setting, cell, systems, tables[cell.net_set]) for cell in cells]
    return [row for rows in pool.run(name, _measure, jobs) for row in rows]


def _measure(job: _Job) -> list[Row]:
    return measure_cell(job.setting, job.cell, job.systems, job.tables)
