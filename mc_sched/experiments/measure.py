"""Measures one cell under every system and compares it with the oracle: one row per system.

All systems run in the same worlds, one per seed, so they can be compared seed by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mc_sched.core.task import OutcomeKind
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.confidence_interval import half_width, mean
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.systems import System
from mc_sched.obs.report.running_summary import RunningSummary
from mc_sched.obs.report.summary import RunInfo, TaskResult
from mc_sched.sim.build import world_of
from mc_sched.sim.oracle import Bound, Bounds, Oracle
from mc_sched.sim.scenario import Tables
from mc_sched.sim.spec import EdgeSpec, WorldSpec
from mc_sched.sim.world import simulate

Row = dict[str, Any]
UNITS = {
    "qos": "ms", "latency": "ms", "latency_p95": "ms", "energy": "J per task",
    "cloud": "ms of computing in the cloud per task",
    "success": "share of tasks in time with the required accuracy",
    "e3": "right answers in time per joule", "e3_expected": "successes per joule",
    "oracle_ratio": "e3_expected over the oracle's",
    "e3_noise": "half of the 95% confidence interval of e3",
    "e3_expected_right": "expected right answers in time per joule",
    "oracle_ratio_right": "e3_expected_right over the oracle's that maximises it",
    "oracle_e3_right": "e3 of that oracle, which does not know which answers are right",
}  # fmt: skip


@dataclass
class Run:
    """The results of one system in one world."""

    summary: RunningSummary = field(default_factory=RunningSummary)
    succeeded: Bound = field(default_factory=Bound)
    """Number of tasks that succeeded, right or wrong, and the joules of all tasks."""
    expected_right: float = 0.0
    """Expected number of right answers among them."""
    cloud_ns: int = 0
    """Computing time in the cloud, as far as it was reported."""

    def add(self, edge: EdgeSpec, result: TaskResult) -> None:
        """Add one result."""
        self.summary.add(result)
        outcome = result.outcome
        if outcome.kind is OutcomeKind.SUCCEEDED:
            self.succeeded.successes += 1
            self.expected_right += outcome.expected_accuracy or 0.0
        self.succeeded.energy_j += outcome.energy.total_j
        self.cloud_ns += outcome.cloud_ns

    def results(self, system: System, bounds: Bounds) -> dict[str, float]:
        """Return the columns of a row for this seed; times in ms, energies in joules."""
        info = RunInfo(system.policy, system.mode.value, "", 0.0)
        summary = self.summary.summary(info)
        energy_j = self.succeeded.energy_j
        expected_right = self.expected_right / energy_j if energy_j else 0.0
        return {
            "success": summary["deadline_met"],
            "e3": summary["e3_per_j"],
            "e3_expected": self.succeeded.e3_per_j,
            "e3_expected_right": expected_right,
            "latency": summary["latency_ms"]["mean"],
            "latency_p95": summary["latency_ms"]["p95"],
            "cloud": self.cloud_ns / 1e6 / summary["tasks"],
            "energy": summary["energy_j"]["per_task"],
            "accuracy": summary["accuracy"],
            "gave_up": summary["gave_up"] / summary["tasks"],
            "edge_share": summary["sites"]["edge"] / summary["tasks"],
            "oracle_success": bounds.expected.successes / summary["tasks"],
            "oracle_e3": bounds.correct.e3_per_j,
            "oracle_e3_expected": bounds.expected.e3_per_j,
            "oracle_e3_right": bounds.most_right.right_per_j,
            "oracle_ratio": _ratio(self.succeeded.e3_per_j, bounds.expected.e3_per_j),
            "oracle_ratio_right": _ratio(expected_right, bounds.most_right.expected_per_j),
            "oracle_ratio_correct": _ratio(summary["e3_per_j"], bounds.correct.e3_per_j),
        }


def _ratio(part: float, whole: float) -> float:
    """Return the ratio to the oracle's value; 1 if the oracle cannot serve anything either."""
    return part / whole if whole else 1.0


def measure_cell(
    setting: Setting, cell: Cell, systems: Sequence[System], tables: Tables
) -> list[Row]:
    """Return a row per system."""
    results: dict[System, list[dict[str, float]]] = {system: [] for system in systems}
    for seed in range(setting.seeds):
        worlds = {s: world_of(scenario_of(cell, setting, s, seed), tables) for s in systems}
        bounds = _bounds(worlds[systems[0]])
        for system, world in worlds.items():
            run = Run()
            simulate(world, run.add)
            results[system].append(run.results(system, bounds))
    return [_row(setting, cell, system, by_seed) for system, by_seed in results.items()]


def _bounds(world: WorldSpec) -> Bounds:
    (edge,) = world.edges
    return Oracle(world, edge).bounds()


def _row(setting: Setting, cell: Cell, system: System, by_seed: list[dict[str, float]]) -> Row:
    means = {name: mean([seed[name] for seed in by_seed]) for name in by_seed[0]}
    e3_by_seed = [seed["e3"] for seed in by_seed]
    return {
        **cell.keys(),
        "policy": system.policy,
        "mode": system.mode.value,
        "privacy": setting.privacy.value,
        **means,
        "e3_noise": half_width(e3_by_seed),
        "e3_by_seed": e3_by_seed,
    }
