"""How many edges one cloud agent carries: at 12 frames a second, 99% of them within 84 ms.

Every edge has a Wi-Fi link of its own, so that only the cloud is shared. The number is found by
doubling and bisection, to 5%. Each trial lasts so long that it has about `TRIAL_TASKS` tasks, but
2 s at least and 20 s at most; its first half lets the edges learn, and is not counted.
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
from mc_sched.experiments.findings import Findings, Picture, Table
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.systems import System
from mc_sched.experiments.worker_pool import WorkerPool
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import Tables
from mc_sched.sim.spec import EdgeSpec
from mc_sched.sim.world import simulate

MAX_EDGES, MAX_EDGES_OF_ALL = 10_000, 1_000
"""How far is tried; less where all experiments are asked for at once."""
WANTED = 0.99
QORS, QOS_NS = (0.75, 0.85), 84_000_000
COMPARED = ("server", "ddnn", "mc-paper", "mc")
TRIAL_TASKS, SHORTEST_S, LONGEST_S = 6_000, 2.0, 20.0
GROWTH, PRECISION = 4, 1.05


@dataclass(frozen=True)
class Job:
    """One policy at one QoR, with networks and their times."""

    setting: Setting
    tables: Tables
    cell: Cell
    policy: str
    max_edges: int


def findings(setting: Setting, max_edges: int, crew: WorkerPool) -> Findings:
    """Both sets, two QoRs."""
    jobs = [
        Job(setting, setting.tables(net_set), Cell(net_set, "wifi", qor, QOS_NS), policy, max_edges)
        for qor in QORS
        for net_set in SETS
        for policy in reversed(COMPARED)  # the longest first
        if policy in POLICIES
    ]
    curves = crew.do("capacity", capacity, jobs)
    return Findings(
        name="capacity",
        title="Edges that one cloud agent carries, 12 frames a second each, 99% within 84 ms",
        report={
            "profile": setting.profile,
            "privacy": setting.privacy.value,
            "max_edges": max_edges,
            "curves": curves,
        },
        table=_table(curves),
        notes=(f"energy mode; {max_edges} is as far as was tried",),
        rows=[
            {**{k: v for k, v in curve.items() if k != "trials"}, "edges": n, "in_time": share}
            for curve in curves
            for n, share in curve["trials"]
        ],
        pictures=[
            Picture(
                "capacity",
                "Frames in time against the number of edges on one cloud agent",
                partial(draw_capacity, curves, WANTED),
            )
        ],
    )


def capacity(job: Job) -> dict[str, Any]:
    """The largest number of edges that was found to be carried, and every trial."""
    trials: dict[int, float] = {}

    def carries(edges: int) -> bool:
        trials[edges] = share_in_time(job, edges)
        return trials[edges] >= WANTED

    return {
        "set": job.cell.net_set,
        "qor": job.cell.qor,
        "policy": job.policy,
        "carried": largest(carries, job.max_edges),
        "trials": sorted(trials.items()),
    }


def largest(carries: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` that is carried, to `PRECISION`; 0 if not even one is."""
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
    """Of the frames of the trial's second half."""
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
