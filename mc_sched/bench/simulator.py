"""Tasks per second of the simulator, and the cost per task of long runs against short ones.

Every run is a process of its own, so that its peak memory can be measured. The clock is the
process's CPU time, which other work on the machine hardly affects. Short runs precede and follow
the long run. `long_over_short` is a ratio of medians: the cost per task in slices of the long run
over the cost per task in short runs of the same length.

The world is two edges over Wi-Fi against one cloud agent, in the paper's class of hardware, at 12
frames per second each: one runs its tasks on the device, one offloads them. Everything is on:
probes, timers, layer progress, chunks, noise, truth, the running summary. `compiled` is true if
the build of `scripts/compile` was used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from mc_sched.bench.stats import median
from mc_sched.compiled.finder import in_use
from mc_sched.compiled.workers import simulation_workers
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import Mode
from mc_sched.link.model import KINDS
from mc_sched.obs.report.running_summary import RunningSummary
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.arrivals import Stream
from mc_sched.sim.noise import lognormal
from mc_sched.sim.paper_networks import SET_A
from mc_sched.sim.spec import CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.world import simulate

COMPILED = "with the compiled modules"
NOT_COMPILED = "without `scripts/compile`, which makes it at least four times as fast"
SHORT_RUNS = 3
"""Short runs before the long run, and as many after it."""
DEADLINE_NS = 150_000_000
"""Long enough that tasks are offloaded before the link has been measured."""
DEVICE = DeviceSpec(lognormal(0.05, "bench"))
SITES = {"edge": Mode.PERFORMANCE, "cloud": Mode.ENERGY}
"""The mode of each of the two edges, by the site that answers its tasks."""


@dataclass(frozen=True)
class Run:
    """Measurements of one process."""

    slices_us: tuple[float, ...]
    """CPU time per task, slice by slice."""
    peak_rss_mb: float
    sites: dict[str, int]
    compiled: bool

    @property
    def task_us(self) -> float:
        """Mean CPU time per task."""
        return sum(self.slices_us) / len(self.slices_us)


def measure_simulator(tasks: int, short: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return all figures of `mc-sched bench simulator`: one run of `tasks`, several of `short`."""
    before = [_in_process(short, short) for _ in range(SHORT_RUNS)]
    progress(f"{SHORT_RUNS} runs of {short} tasks: {median(_costs_us(before)):.0f} us each")
    progress(COMPILED if before[0].compiled else NOT_COMPILED)
    long = _in_process(tasks, short)
    progress(f"one run of {tasks} tasks: {long.task_us:.0f} us each")
    shorts = [*before, *(_in_process(short, short) for _ in range(SHORT_RUNS))]
    by_site = {site: _in_process(short, short, site).task_us for site in SITES}
    short_us = median(_costs_us(shorts))
    return {
        "tasks": tasks,
        "short_tasks": short,
        "tasks_per_s": 1e6 / long.task_us,
        "task_us": {"long": long.task_us, "short": short_us, **by_site},
        "long_over_short": median(long.slices_us) / short_us,
        "peak_rss_mb": {"long": long.peak_rss_mb, "short": median([r.peak_rss_mb for r in shorts])},
        "sites": long.sites,
        "compiled": long.compiled,
    }


def _costs_us(runs: Sequence[Run]) -> list[float]:
    return [run.task_us for run in runs]


def _in_process(tasks: int, per_slice: int, site: str | None = None) -> Run:
    with simulation_workers(1) as pool:
        return pool.submit(run_once, tasks, per_slice, site).result()


def run_once(tasks: int, per_slice: int, site: str | None = None) -> Run:
    """Simulate `tasks` tasks in this process, on one site or half on each, and time them."""
    sites = list(SITES) if site is None else [site]
    world = world_of(tasks, sites)
    running = RunningSummary()
    marks: list[float] = [time.process_time()]

    def enter(edge: EdgeSpec, result: TaskResult) -> None:
        running.add(result)
        if running.tasks % per_slice == 0:
            marks.append(time.process_time())

    simulate(world, enter)
    if len(marks) == 1:
        marks.append(time.process_time())
        per_slice = running.tasks
    slices = (1e6 * (end - start) / per_slice for start, end in pairwise(marks))
    return Run(tuple(slices), _peak_rss_mb(), running.sites, in_use())


def _peak_rss_mb() -> float:
    """Return this process's peak memory; that of `getrusage` includes the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def world_of(tasks: int, sites: list[str]) -> WorldSpec:
    """Return a world with one edge per site, each with an equal share of the tasks."""
    local, cloud = SET_A
    edges = []
    for number, site in enumerate(sites):
        stream = Stream(
            tasks=tasks // len(sites),
            deadline_ns=DEADLINE_NS,
            start_ns=number * 40_000_000,
        )
        edges.append(
            EdgeSpec(
                edge_id=site,
                table=local,
                arrivals=partial(stream.run, site, site),
                settings=replace(EdgeSettings(), mode=SITES[site]),
                device=DEVICE,
                radio_link=RadioLinkSpec(KINDS["wifi"]),
            )
        )
    return WorldSpec(tuple(edges), (CloudSpec(cloud, device=DEVICE),))
