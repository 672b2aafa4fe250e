"""The surveys that several experiments share, each made once, when somebody first asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mc_sched.experiments import paper_figures as figures
from mc_sched.experiments import regret, table2
from mc_sched.experiments.measure import Row
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool


class Rows:
    """A row per cell and system."""

    def __init__(self, setting: Setting, traces: Sequence[TracePair], crew: WorkerPool) -> None:
        self._setting, self._traces, self._crew = setting, traces, crew

    @cached_property
    def figures(self) -> list[Row]:
        """Of the figures' cells."""
        return figures.measure(self._setting, self._crew)

    @cached_property
    def table2(self) -> list[Row]:
        """Of table 2's cells."""
        return table2.measure(self._setting, self._crew)

    @cached_property
    def traces(self) -> list[Row]:
        """Of the cells on recorded links."""
        return regret.measure(self._setting, self._traces, self._crew)
