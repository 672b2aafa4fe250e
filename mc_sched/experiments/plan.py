"""The experiments by name, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mc_sched.experiments import (
    capacity,
    case_study,
    fidelity,
    paper_figures,
    regret,
    table2,
)
from mc_sched.experiments.findings import Findings
from mc_sched.experiments.rows import Rows
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool


@dataclass(frozen=True)
class Plan:
    """The options of a run."""

    setting: Setting
    traces: Sequence[TracePair]
    max_edges: int = capacity.MAX_EDGES
    live_tasks: int = fidelity.TASKS
    """Number of tasks per scenario on the real daemons."""


Experiment = Callable[[Plan, Rows, WorkerPool], Findings]

EXPERIMENTS: dict[str, Experiment] = {
    "figures": lambda plan, rows, pool: paper_figures.findings(
        plan.setting, rows.figures, rows.table2
    ),
    "table2": lambda plan, rows, pool: table2.findings(plan.setting, rows.table2, rows.figures),
    "case-study": lambda plan, rows, pool: case_study.findings(plan.setting),
    "oracle": lambda plan, rows, pool: regret.findings(plan.setting, rows.table2, rows.traces),
    "capacity": lambda plan, rows, pool: capacity.findings(plan.setting, plan.max_edges, pool),
    "fidelity": lambda plan, rows, pool: fidelity.findings(plan.live_tasks, pool),
}
SIMULATED = tuple(name for name in EXPERIMENTS if name != "fidelity")
"""The experiments of `all`, without fidelity, which starts daemons and depends on the host."""
