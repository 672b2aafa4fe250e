"""The sweeps that several experiments share; each is run once, when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mc_sched.experiments import paper_figures, regret, table2
from mc_sched.experiments.measure import Row
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool


class Rows:
    """The rows of each sweep, one per cell and system."""

    def __init__(self, setting: Setting, traces: Sequence[TracePair], pool: WorkerPool) -> None:
        self._setting, self._traces, self._pool = setting, traces, pool

    @cached_property
    def figures(self) -> list[Row]:
        """Rows of the paper's figures."""
        return paper_figures.measure(self._setting, self._pool)

    @cached_property
    def table2(self) -> list[Row]:
        """Rows of table 2."""
        return table2.measure(self._setting, self._pool)

    @cached_property
    def traces(self) -> list[Row]:
        """Rows on recorded links."""
        return regret.measure(self._setting, self._traces, self._pool)
