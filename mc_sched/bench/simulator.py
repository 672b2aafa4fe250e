"""How many tasks a second the simulator gets through, and whether long runs cost more than short.

Every run is a process of its own, so that its peak memory is its own. The clock is the process's
CPU time, which what else the machine does hardly touches. Short runs stand before and after the
long one; ratios are of medians: the short runs' cost per task, and the cost of the long run's
slices of as many tasks.

The world is two edges over Wi-Fi against one cloud agent, in the paper's class of hardware, at 12
frames a second each: one answers on the device, one sends to the cloud. Everything is on: probes,
timers, layer progress, chunks, noise, truth, the running summary. `compiled` tells whether the
build of `scripts/compile` was used.
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
from mc_sched.compiled.workers import workers
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import Mode
from mc_sched.link.model import KINDS
from mc_sched.obs.report.running_summary import RunningSummary
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.arrivals import Stream
from mc_sched.sim.noise import lognormal
from mc_sched.sim.paper_class import SET_A
from mc_sched.sim.spec import CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.world import simulate

BUILD_IN_USE = "by the compiled modules"
NO_BUILD = "by the sources; after `scripts/compile` it takes a quarter of the time or less"
SHORT_RUNS = 3
"""Before the long run, and as many after it."""
DEADLINE_NS = 150_000_000
"""Long enough that the cloud is tried before anything is known of the link."""
DEVICE = DeviceSpec(lognormal(0.05, "bench"))
SITES = {"edge": Mode.PERFORMANCE, "cloud": Mode.ENERGY}
"""Where each of the two edges has its tasks answered, by its mode."""


@dataclass(frozen=True)
class Run:
    """What one process measured."""

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
    """All the figures of `mc-sched bench simulator`: a run of `tasks` and some of `short`."""
    before = [_in_process(short, short) for _ in range(SHORT_RUNS)]
    progress(f"{SHORT_RUNS} runs of {short} tasks: {median(_costs_us(before)):.0f} us each")
    progress(BUILD_IN_USE if before[0].compiled else NO_BUILD)
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
    with workers(1) as pool:
        return pool.submit(run_once, tasks, per_slice, site).result()


def run_once(tasks: int, per_slice: int, site: str | None = None) -> Run:
    """Simulate `tasks` tasks here, of one site or half of them each, and take the time."""
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
    """This program's own peak; `getrusage` would begin with that of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def world_of(tasks: int, sites: list[str]) -> WorldSpec:
    """One edge for each of the sites, with an equal share of the tasks."""
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
