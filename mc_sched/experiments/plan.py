"""Which experiments there are, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mc_sched.experiments import capacity, case_study, fidelity, regret, table2
from mc_sched.experiments import paper_figures as figures
from mc_sched.experiments.findings import Findings
from mc_sched.experiments.rows import Rows
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.traces import TracePair
from mc_sched.experiments.worker_pool import WorkerPool


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    setting: Setting
    traces: Sequence[TracePair]
    max_edges: int = capacity.MAX_EDGES
    live_tasks: int = fidelity.TASKS
    """Of each scenario on the real daemons."""


Experiment = Callable[[Plan, Rows, WorkerPool], Findings]

EXPERIMENTS: dict[str, Experiment] = {
    "figures": lambda plan, rows, crew: figures.findings(plan.setting, rows.figures, rows.table2),
    "table2": lambda plan, rows, crew: table2.findings(plan.setting, rows.table2, rows.figures),
    "case-study": lambda plan, rows, crew: case_study.findings(plan.setting),
    "oracle": lambda plan, rows, crew: regret.findings(plan.setting, rows.table2, rows.traces),
    "capacity": lambda plan, rows, crew: capacity.findings(plan.setting, plan.max_edges, crew),
    "fidelity": lambda plan, rows, crew: fidelity.findings(plan.live_tasks, crew),
}
SIMULATED = tuple(name for name in EXPERIMENTS if name != "fidelity")
"""Those of `all`: fidelity starts daemons, and its figures are the host's in any profile."""
