"""Time that the system adds to a plain forward pass: by stages, over gRPC, per decision.

Every ratio compares series that are measured alternately, image by image, in one run. A task's
time from submission to outcome is compared with decode, preprocess and forward in one process.

- `stagewise_ratio`, `scheduled_ratio`: as `mc-sched bench nets` measures them, in CPU time of one
  thread.
- `edge_ratio`, `cloud_ratio`: against a plain forward pass of torch's own layers in float32.
- `edge_prepared_ratio`, `cloud_prepared_ratio`: against the prepared networks that the agents run;
  the difference is the cost of gRPC, scheduling and threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mc_models.bundle.load import Bundle, load_bundle
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from mc_models.inference.prepare import PreparedCloud
from mc_models.inference.profile_store import host_profile
from mc_models.inference.reference import Reference

from mc_sched.bench.decision_cost import measure_decisions_ns
from mc_sched.bench.nets import measure_alternately
from mc_sched.bench.staged_runs import CheckedStages, ScheduledStages
from mc_sched.bench.stats import median, quantile, ratio
from mc_sched.client import Constraints, EdgeClient
from mc_sched.testbed import Testbed

DEADLINE_NS = 5_000_000_000
WARM_UP_ROUNDS = 10
DISTINCT_IMAGES = 20


async def measure_overhead(
    bundle_name: str, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return all figures of `mc-sched bench overhead`, measured with one CPU thread."""
    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    prepared = Reference.prepared(bundle)
    images = [encode_jpeg(render(i, i, bundle.input_px)) for i in range(DISTINCT_IMAGES)]
    decisions_us = [ns / 1e3 for ns in measure_decisions_ns()]
    progress("stage by stage, against one forward pass")
    stagewise = _stagewise(bundle, prepared, images, rounds)
    progress("over gRPC, against one process")
    references = {"plain": Reference.plain(bundle), "prepared": prepared}
    sites = await _sites(bundle_name, references, images, rounds)
    return {
        **stagewise,
        **sites,
        "exit": bundle.exits[-1].name,
        "decision_us": {"p50": median(decisions_us), "p99": quantile(decisions_us, 0.99)},
        "rounds": rounds,
        "threads": 1,
    }


def _stagewise(
    bundle: Bundle, reference: Reference, images: list[bytes], rounds: int
) -> dict[str, Any]:
    """Compare stages with exit checks, and with decisions of the machine, with one forward pass."""
    profile = host_profile(bundle, "cloud", threads=1)
    net = PreparedCloud(tuple(reference.stages), reference.heads)
    took_ms = measure_alternately(
        {
            "monolithic": reference.forward,
            "stagewise": CheckedStages(bundle, net, profile).run,
            "scheduled": ScheduledStages(bundle, net, profile).run,
        },
        [reference.prepare(image) for image in images],
        rounds,
    )
    return {
        "stagewise_ratio": ratio(took_ms["stagewise"], took_ms["monolithic"]),
        "scheduled_ratio": ratio(took_ms["scheduled"], took_ms["monolithic"]),
        **{f"{name}_ms": median(samples) for name, samples in took_ms.items()},
    }


async def _sites(
    bundle: str, references: dict[str, Reference], images: list[bytes], rounds: int
) -> dict[str, Any]:
    """Compare tasks on each site over loopback with the same work in this process."""
    series: dict[str, list[float]] = defaultdict(list)
    async with Testbed(bundle=bundle, link=None) as testbed:  # noqa: SIM117
        async with EdgeClient(testbed.edge_address) as client:
            await _cloud_is_up(client)
            for number in range(WARM_UP_ROUNDS + rounds):
                times = await _round_ms(client, references, images[number % len(images)])
                if number >= WARM_UP_ROUNDS:
                    for name, value in times.items():
                        series[name].append(value)
    figures: dict[str, Any] = {}
    for site in ("edge", "cloud"):
        figures[f"{site}_ratio"] = ratio(series[site], series[f"{site}_plain"])
        figures[f"{site}_prepared_ratio"] = ratio(series[site], series[f"{site}_prepared"])
    return {**figures, **{f"{name}_ms": median(samples) for name, samples in series.items()}}


async def _round_ms(
    client: EdgeClient, references: dict[str, Reference], image: bytes
) -> dict[str, float]:
    """Time one image on each site, and the same work in this process."""
    times = {"edge": await _submit_ms(client, image, "edge-only", "edge")}
    for form, reference in references.items():
        times[f"edge_{form}"] = _took_ms(partial(reference.edge, image))
    times["cloud"] = await _submit_ms(client, image, "server", "cloud")
    for form, reference in references.items():
        times[f"cloud_{form}"] = _took_ms(partial(reference.cloud, image))
    return times


async def _cloud_is_up(client: EdgeClient) -> None:
    while (await client.status()).cloud != "up":
        await asyncio.sleep(0.05)


async def _submit_ms(client: EdgeClient, image: bytes, policy: str, site: str) -> float:
    constraints = Constraints(DEADLINE_NS, accuracy=0.0, policy=policy)
    started = time.perf_counter()
    answer = await client.submit(image, constraints)
    took_ms = (time.perf_counter() - started) * 1e3
    outcome = answer.outcome
    if outcome.site is None or outcome.site.value != site:
        raise RuntimeError(f"a task meant for the {site} ended {outcome.kind}: {outcome.reason}")
    return took_ms


def _took_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
