"""Number of edges that one cloud agent carries at 12 frames per second, 99% of them within 84 ms.

Every edge has its own Wi-Fi link, so only the cloud is shared. The number is found to 5% by growth
and bisection. A trial is long enough for about `TRIAL_TASKS` tasks, but at least 2 s and at most
20 s; its first half is for learning and is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Mode, OutcomeKind
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.figures.curves import draw_capacity
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.systems import System
from mc_sched.experiments.worker_pool import WorkerPool
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import Tables
from mc_sched.sim.spec import EdgeSpec
from mc_sched.sim.world import simulate

MAX_EDGES, MAX_EDGES_OF_ALL = 10_000, 1_000
"""Largest number tried; the second one if all experiments are run."""
REQUIRED_SHARE = 0.99
QORS, QOS_NS = (0.75, 0.85), 84_000_000
COMPARED = ("server", "ddnn", "mc-paper", "mc")
TRIAL_TASKS, SHORTEST_S, LONGEST_S = 6_000, 2.0, 20.0
GROWTH, PRECISION = 4, 1.05


@dataclass(frozen=True)
class Job:
    """One search: a policy at one QoR, with the networks' tables."""

    setting: Setting
    tables: Tables
    cell: Cell
    policy: str
    max_edges: int


def findings(setting: Setting, max_edges: int, pool: WorkerPool) -> Findings:
    """Find the capacity for both sets at two QoRs."""
    jobs = [
        Job(setting, setting.tables(net_set), Cell(net_set, "wifi", qor, QOS_NS), policy, max_edges)
        for qor in QORS
        for net_set in SETS
        for policy in reversed(COMPARED)  # the slowest first
        if policy in POLICIES
    ]
    curves = pool.run("capacity", capacity, jobs)
    return Findings(
        name="capacity",
        title="Edges that one cloud agent carries, 12 frames per second each, 99% within 84 ms",
        report={
            "profile": setting.profile,
            "privacy": setting.privacy.value,
            "max_edges": max_edges,
            "curves": curves,
        },
        table=_table(curves),
        notes=(f"energy mode; the largest number tried is {max_edges}",),
        rows=[
            {**{k: v for k, v in curve.items() if k != "trials"}, "edges": n, "in_time": share}
            for curve in curves
            for n, share in curve["trials"]
        ],
        figures=[
            Figure(
                "capacity",
                "Frames in time against the number of edges on one cloud agent",
                partial(draw_capacity, curves, REQUIRED_SHARE),
            )
        ],
    )


def capacity(job: Job) -> dict[str, Any]:
    """Return the largest number of edges carried, and all trials."""
    trials: dict[int, float] = {}

    def carries(edges: int) -> bool:
        trials[edges] = share_in_time(job, edges)
        return trials[edges] >= REQUIRED_SHARE

    return {
        "set": job.cell.net_set,
        "qor": job.cell.qor,
        "policy": job.policy,
        "carried": largest_carried(carries, job.max_edges),
        "trials": sorted(trials.items()),
    }


def largest_carried(carries: Callable[[int], bool], limit: int) -> int:
    """Return the largest number up to `limit` that is carried, to `PRECISION`; 0 if none is."""
    good, bad = 0, min(1, limit)
    while carries(bad):
        if bad == limit:
            return limit
        good, bad = bad, min(limit, bad * GROWTH)
    while bad - good > 1 and bad > PRECISION * good:
        middle = round(math.sqrt(max(1, good) * bad))
        middle = min(max(middle, good + 1), bad - 1)
        if carries(middle):
            good = middle
        else:
            bad = middle
    return good


def share_in_time(job: Job, edges: int) -> float:
    """Return the share of the frames in time, in the second half of a trial."""
    rate = edges * job.cell.fps
    seconds = min(LONGEST_S, max(SHORTEST_S, TRIAL_TASKS / rate))
    frames = math.ceil(seconds * job.cell.fps)
    system = System(job.policy, Mode.ENERGY)
    scenario = scenario_of(job.cell, job.setting.with_tasks(frames), system, seed=0)
    group = scenario.edges[0].model_copy(update={"count": edges})
    begins_s, counted = group.stream.start / 1e9, {True: 0, False: 0}

    def enter(edge: EdgeSpec, result: TaskResult) -> None:
        if result.submitted_s >= begins_s + seconds / 2:
            counted[result.outcome.kind is OutcomeKind.SUCCEEDED] += 1

    simulate(world_of(scenario.model_copy(update={"edges": [group]}), job.tables), enter)
    return counted[True] / (counted[True] + counted[False])


def _table(curves: Sequence[dict[str, Any]]) -> Table:
    policies = [policy for policy in COMPARED if policy in POLICIES]
    lines: Table = [("set", "QoR", *policies)]
    for net_set in SETS:
        for qor in QORS:
            carried = {
                curve["policy"]: str(curve["carried"])
                for curve in curves
                if (curve["set"], curve["qor"]) == (net_set, qor)
            }
            lines.append((net_set, f"{qor:.0%}", *(carried[policy] for policy in policies)))
    return lines
