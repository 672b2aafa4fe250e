"""The whole benchmark: peaks, loads, recovery, variants."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from mc_models.bundle.load import Bundle, load_bundle

from mc_sched.bench.load.capacity import FIRST_RATE_PER_S, peak_goodput
from mc_sched.bench.load.deployment import FcfsServer, Generator, agents, cores, on_core
from mc_sched.bench.load.plan import KEPT, LOADS, Burst, LoadPlan, Phase
from mc_sched.bench.load.tally import LoadPoint
from mc_sched.bench.stats import median

BURST_ACCURACY, BURST_LOAD, BURST_S = 0.99, 3.0, 5.0
"""QoR, load and length of the burst before the recovery is measured."""
SEARCH_S = 2.0
"""Length of each measurement while the peak is searched."""
VARIANT_LOAD = 2.0
"""Offered load at which variants are compared, as a multiple of the peak."""
KINDS = ("cloud", "edge", "fcfs")

Show = Callable[[str, LoadPoint], None]
"""Shows a point, under the name of what was measured, as soon as it is known."""


async def measure_load(plan: LoadPlan, show: Show) -> dict[str, Any]:
    """Return all figures of `mc-sched bench load`; docs/benchmarks.md describes the keys."""
    bundle = load_bundle(plan.bundle)
    agents_core, generator_core = cores()
    with tempfile.TemporaryDirectory(prefix="mc-sched-") as directory:
        async with Generator(bundle.input_px, generator_core) as generator:
            run = _Run(plan, generator, Path(directory), agents_core, show)
            report = await run.loads()
            recovery = await run.recovery(bundle)
            for kind, seconds in recovery.items():
                report[kind]["recovery_s"] = seconds
            if plan.variants:
                peak = report["cloud"]["peak_per_s"]
                gain = await run.compare({"batches": {}, "singles": {"max_batch": 1}}, peak)
                report["batch_gain"] = gain["batches"] / gain["singles"]
        if plan.variants:
            async with Generator(bundle.input_px, None) as generator:
                run = _Run(plan, generator, Path(directory), None, show)
                two = {"one worker": {"devices": ["cpu"]}, "two": {"devices": ["cpu", "cpu"]}}
                gain = await run.compare(two, peak)
                report["worker_gain"] = gain["two"] / gain["one worker"]
    return report


class _Run:
    """Measurements with one generator; the servers run on `core`, or anywhere for None."""

    def __init__(
        self, plan: LoadPlan, generator: Generator, directory: Path, core: int | None, show: Show
    ) -> None:
        self._plan, self._generator, self._directory = plan, generator, directory
        self._core, self._show = core, show
        self._phases = 0

    async def loads(self) -> dict[str, Any]:
        """Return peak and points of the three servers, measured in turn."""
        async with AsyncExitStack() as stack:
            with on_core(self._core):
                testbed = await stack.enter_async_context(
                    agents(self._plan.bundle, self._directory / "agents", {})
                )
            addresses = {"cloud": testbed.cloud_address, "edge": testbed.edge_address}
            peaks = {
                kind: await peak_goodput(partial(self._search, kind, addresses)) for kind in KINDS
            }
            measured: dict[tuple[str, float], list[LoadPoint]] = {}
            for _ in range(self._plan.rounds):
                for load in LOADS:
                    for kind in KINDS:
                        rate = load * peaks[kind]
                        point = await self._offer(kind, addresses, rate, self._plan.seconds)
                        self._show(f"{kind} {load:g}x", point)
                        measured.setdefault((kind, load), []).append(point)
        return {kind: _server_report(kind, peaks[kind], measured) for kind in KINDS}

    async def _search(self, kind: str, addresses: dict[str, str], rate: float) -> LoadPoint:
        point = await self._offer(kind, addresses, rate, SEARCH_S)
        self._show(f"{kind}, search", point)
        return point

    async def _offer(
        self, kind: str, addresses: dict[str, str], rate: float, seconds: float
    ) -> LoadPoint:
        if kind in addresses:
            return await self._generator.offer(self._phase(kind, addresses[kind], rate, seconds))
        # a server without admission would carry its queue into the next measurement
        async with FcfsServer(self._plan.bundle, self._core) as server:
            return await self._generator.offer(self._phase(kind, server.address, rate, seconds))

    def _phase(
        self, kind: str, address: str, rate: float, seconds: float, accuracy: float | None = None
    ) -> Phase:
        self._phases += 1
        plan = self._plan
        return Phase(
            kind=kind,
            address=address,
            rate_per_s=rate,
            seconds=seconds,
            deadline_ns=plan.deadline_ns,
            accuracy=plan.accuracy if accuracy is None else accuracy,
            edges=plan.edges,
            seed=plan.seed + self._phases,
        )

    async def recovery(self, bundle: Bundle) -> dict[str, float | None]:
        """Return the seconds after a burst until each agent serves again; None if it does not."""
        best = max(row.top5["jpeg"] for row in bundle.exits)
        accuracy, found = min(BURST_ACCURACY, best), {}
        for kind in ("cloud", "edge"):
            with on_core(self._core):
                testbed = agents(self._plan.bundle, self._directory / f"burst-{kind}", {})
                await testbed.__aenter__()
            try:
                address = testbed.cloud_address if kind == "cloud" else testbed.edge_address
                peak = await self._peak_at(kind, address, accuracy)
                rate = BURST_LOAD * max(peak, FIRST_RATE_PER_S)
                phase = self._phase(kind, address, rate, BURST_S, accuracy)
                found[kind] = await self._generator.recover(Burst(phase))
            finally:
                await testbed.__aexit__()
        return found

    async def _peak_at(self, kind: str, address: str, accuracy: float) -> float:
        async def measure(rate: float) -> LoadPoint:
            point = await self._generator.offer(
                self._phase(kind, address, rate, SEARCH_S, accuracy)
            )
            self._show(f"{kind} at {accuracy:.0%}", point)
            return point

        return await peak_goodput(measure)

    async def compare(self, variants: dict[str, dict[str, Any]], peak: float) -> dict[str, float]:
        """Return the median goodput of each variant of the cloud agent, measured in turn."""
        goodput: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(self._plan.rounds):
            for name, keys in variants.items():
                with on_core(self._core):
                    testbed = agents(self._plan.bundle, self._directory / name, keys)
                    await testbed.__aenter__()
                try:
                    address, rate = testbed.cloud_address, VARIANT_LOAD * peak
                    await self._generator.offer(self._phase("cloud", address, peak / 2, SEARCH_S))
                    phase = self._phase("cloud", address, rate, self._plan.seconds)
                    point = await self._generator.offer(phase)
                finally:
                    await testbed.__aexit__()
                self._show(name, point)
                goodput[name].append(point.goodput)
        return {name: median(samples) for name, samples in goodput.items()}


def _server_report(
    kind: str, searched: float, measured: dict[tuple[str, float], list[LoadPoint]]
) -> dict[str, Any]:
    points = {load: _middle(measured[kind, load]) for load in LOADS}
    peak = max(searched, *(point.goodput for point in points.values()))
    return {
        "peak_per_s": peak,
        "points": [{"load": load, **point.report()} for load, point in points.items()],
        "kept": {f"{load:g}": points[load].goodput / peak for load in KEPT},
        "claimed_minus_seen": max(point.claimed_minus_seen for point in points.values()),
    }


def _middle(points: list[LoadPoint]) -> LoadPoint:
    """Return the point with the median goodput."""
    ordered = sorted(points, key=lambda point: point.goodput)
    return ordered[(len(ordered) - 1) // 2]
