"""Number of edges that one cloud agent carries at 12 frames per second, 99% of them within 84 ms.

Every edge has its own Wi-Fi link, so only the cloud is shared. The number is found to 5% by growth
and bisection. A trial is long enough for about `TRIAL_TASKS` tasks, but at least 2 s and at most
20 s; its first half is for learning and is not counted.

The policies are compared on the profile of the experiment. With the paper's networks a second
comparison follows on a server with a T4 (`t4_networks`): the scheduler with batches, without them,
and whole networks in batches. Its edges cannot run the cloud net themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Mode, OutcomeKind
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.figures.curves import draw_capacity
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.headline import grouped
from mc_sched.experiments.setting import SETS, Setting
from mc_sched.experiments.systems import System, cloud_settings
from mc_sched.experiments.worker_pool import WorkerPool
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim import t4_networks
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import Scenario, Tables
from mc_sched.sim.spec import EdgeSpec
from mc_sched.sim.world import simulate

MAX_EDGES, MAX_EDGES_OF_ALL = 10_000, 1_000
"""Largest number tried; the second one if all experiments are run."""
REQUIRED_SHARE = 0.99
QORS, QOS_NS = (0.75, 0.85), 84_000_000
TRIAL_TASKS, SHORTEST_S, LONGEST_S = 6_000, 2.0, 20.0
GROWTH, PRECISION = 4, 1.05
OVERLOADS = (1.25, 1.5, 2.0)
"""Numbers of edges that are tried beyond the largest one that is carried, for the figure."""


@dataclass(frozen=True)
class Contender:
    """A system: the policy of the edges, and settings of the cloud agent that differ."""

    name: str
    policy: str
    cloud: Mapping[str, object] = field(default_factory=dict)


COMPARED = tuple(
    Contender(policy, policy, cloud_settings(policy))
    for policy in ("mc", "ddnn", "mc-paper", "server")
    if policy in POLICIES
)
T4_QOR = 0.85
T4_CLOUD: dict[str, object] = {
    "decoders": t4_networks.DECODERS, "max_tasks": 256, "max_batch": 32, "credits": True,
}  # fmt: skip
"""A full batch may run while others wait, are decoded and are on the link."""
WITH_BATCHES, ONE_BY_ONE = "mc, batches", "mc, one by one"
ON_T4 = (
    Contender(WITH_BATCHES, "mc", T4_CLOUD),
    Contender(ONE_BY_ONE, "mc", {**T4_CLOUD, "max_batch": 1}),
    Contender("whole network, batches", "server", {**T4_CLOUD, "credits": False}),
)


@dataclass(frozen=True)
class Job:
    """One search: a system at one QoR, with the networks' tables."""

    setting: Setting
    tables: Tables
    cell: Cell
    contender: Contender
    max_edges: int
    overloads: tuple[float, ...] = ()
    """Further trials, in multiples of the largest number that is carried."""


def findings(setting: Setting, max_edges: int, pool: WorkerPool) -> Findings:
    """Find the capacity for both sets at two QoRs, and on a T4."""
    jobs = _jobs(setting, QORS, COMPARED, max_edges)
    t4_jobs: list[Job] = []
    if setting.profile == "paper":
        t4 = replace(setting, profile="t4")
        t4_jobs = [
            replace(job, overloads=OVERLOADS) for job in _jobs(t4, (T4_QOR,), ON_T4, max_edges)
        ]
    found = pool.run("capacity", capacity, jobs + t4_jobs)
    curves, t4_curves = found[: len(jobs)], found[len(jobs) :]
    report: dict[str, Any] = {
        "profile": setting.profile,
        "privacy": setting.privacy.value,
        "max_edges": max_edges,
        "curves": curves,
    }
    figures = [
        _figure("capacity", "Frames in time against the number of edges on one cloud agent", curves)
    ]
    if t4_curves:
        report["t4"] = {"curves": t4_curves, "batch_gain": batch_gain(t4_curves)}
        figures.append(
            _figure("capacity-t4", "Frames in time on a T4, with and without batches", t4_curves)
        )
    return Findings(
        name="capacity",
        title="Edges that one cloud agent carries, 12 frames per second each, 99% within 84 ms",
        report=report,
        table=_table(curves, COMPARED),
        more_tables=[("on a server with a T4", _t4_table(t4_curves))] if t4_curves else [],
        notes=(f"energy mode; the largest number tried is {max_edges}",),
        rows=[
            *_rows(setting.profile, curves),
            *_rows("t4", t4_curves),
        ],
        figures=figures,
    )


def _jobs(
    setting: Setting, qors: Sequence[float], systems: Sequence[Contender], max_edges: int
) -> list[Job]:
    return [
        Job(setting, setting.tables(name), Cell(name, "wifi", qor, QOS_NS), contender, max_edges)
        for qor in qors
        for name in SETS
        for contender in systems  # the slowest first
    ]


def capacity(job: Job) -> dict[str, Any]:
    """Return the largest number of edges carried, and all trials."""
    trials: dict[int, float] = {}

    def carries(edges: int) -> bool:
        trials[edges] = share_in_time(job, edges)
        return trials[edges] >= REQUIRED_SHARE

    carried = largest_carried(carries, job.max_edges)
    for factor in job.overloads:
        if carried and (edges := round(carried * factor)) not in trials:
            carries(edges)
    return {
        "set": job.cell.net_set,
        "qor": job.cell.qor,
        "system": job.contender.name,
        "policy": job.contender.policy,
        "carried": carried,
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
    scenario = _scenario(job, edges, frames=math.ceil(seconds * job.cell.fps))
    begins_s, counted = scenario.edges[0].stream.start / 1e9, {True: 0, False: 0}

    def enter(edge: EdgeSpec, result: TaskResult) -> None:
        if result.submitted_s >= begins_s + seconds / 2:
            counted[result.outcome.kind is OutcomeKind.SUCCEEDED] += 1

    simulate(world_of(scenario, job.tables), enter)
    return counted[True] / (counted[True] + counted[False])


def _scenario(job: Job, edges: int, frames: int) -> Scenario:
    """Return the scenario of a trial with so many edges and frames of each."""
    system = System(job.contender.policy, Mode.ENERGY)
    scenario = scenario_of(job.cell, job.setting.with_tasks(frames), system, seed=0)
    alone = job.setting.profile != "t4"
    group = scenario.edges[0].model_copy(update={"count": edges, "cloud_net_on_edge": alone})
    cloud = scenario.clouds[0].model_copy(update=dict(job.contender.cloud))
    return scenario.model_copy(update={"edges": [group], "clouds": [cloud]})


def batch_gain(curves: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Return, by set, how many times as many edges are carried with batches as without.

    None if none is carried without.
    """
    carried = {(curve["set"], curve["system"]): curve["carried"] for curve in curves}
    return {
        name: carried[name, WITH_BATCHES] / carried[name, ONE_BY_ONE]
        if carried[name, ONE_BY_ONE]
        else None
        for name in SETS
    }


# --- tables and figures ---------------------------------------------------------------------------


def _table(curves: Sequence[dict[str, Any]], systems: Sequence[Contender]) -> Table:
    lines: Table = [("set", "QoR", *(contender.name for contender in systems))]
    for cell in grouped(curves, lambda curve: (curve["set"], curve["qor"])):
        carried = {curve["system"]: str(curve["carried"]) for curve in cell}
        row = (carried[contender.name] for contender in systems)
        lines.append((cell[0]["set"], f"{cell[0]['qor']:.0%}", *row))
    return lines


def _t4_table(curves: Sequence[dict[str, Any]]) -> Table:
    heads, *lines = _table(curves, ON_T4)
    gains = batch_gain(curves)
    texts = ("-" if gain is None else f"{gain:.1f}" for gain in gains.values())
    return [
        (*heads, "gain of batches"),
        *((*line, text) for line, text in zip(lines, texts, strict=True)),
    ]


def _rows(profile: str, curves: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for curve in curves:
        keys = {name: value for name, value in curve.items() if name != "trials"}
        for edges, share in curve["trials"]:
            yield {"profile": profile, **keys, "edges": edges, "in_time": share}


def _figure(name: str, caption: str, curves: Sequence[dict[str, Any]]) -> Figure:
    return Figure(name, caption, partial(draw_capacity, curves, REQUIRED_SHARE))
