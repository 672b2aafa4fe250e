"""What the system adds to a plain forward pass: by stages, over gRPC, per decision.

Every ratio compares two series that were measured in turns, image by image, in the same run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mc_models.bundle import Bundle, load_bundle
from mc_models.preprocess import encode_jpeg
from mc_models.profile_store import host_profile
from mc_models.reference import Reference
from mc_models.synthetic import render

from mc_sched.bench.decision import measure_decisions_ns
from mc_sched.bench.stagewise import Stagewise
from mc_sched.bench.stats import median, quantile, ratio
from mc_sched.client import Constraints, EdgeClient
from mc_sched.testbed import Testbed

DEADLINE_NS = 5_000_000_000
WARM_UP_ROUNDS = 10
DISTINCT_IMAGES = 20


async def measure_overhead(
    bundle_name: str, rounds: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """All the figures of `mc-sched bench overhead`; one CPU thread everywhere."""
    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    reference = Reference(bundle)
    images = [encode_jpeg(render(i, i, bundle.input_px)) for i in range(DISTINCT_IMAGES)]
    decisions_us = [ns / 1e3 for ns in measure_decisions_ns()]
    progress("stage by stage against one forward pass")
    stagewise = await _stagewise(bundle, reference, images, rounds)
    progress("over gRPC against one process")
    sites = await _sites(bundle, bundle_name, reference, images, rounds)
    return {
        **stagewise,
        **sites,
        "decision_us": {"p50": median(decisions_us), "p99": quantile(decisions_us, 0.99)},
        "rounds": rounds,
        "threads": 1,
    }


async def _stagewise(
    bundle: Bundle, reference: Reference, images: list[bytes], rounds: int
) -> dict[str, Any]:
    """The cloud agent's driver, machine and executor against a plain forward, same input."""
    last = bundle.exits[-1].name
    stages = Stagewise(bundle, host_profile(bundle, "cloud", threads=1))
    staged_ms, whole_ms = [], []
    for number in range(WARM_UP_ROUNDS + rounds):
        x = reference.prepare(images[number % len(images)])
        staged = await stages.run_ms(x)
        whole = _plain_ms(partial(reference.forward, x, last))
        if number >= WARM_UP_ROUNDS:
            staged_ms.append(staged)
            whole_ms.append(whole)
    stages.close()
    return {
        "stagewise_ratio": ratio(staged_ms, whole_ms),
        "stagewise_ms": median(staged_ms),
        "monolithic_ms": median(whole_ms),
    }


async def _sites(
    bundle: Bundle, name: str, reference: Reference, images: list[bytes], rounds: int
) -> dict[str, Any]:
    """Submit to outcome on each site over loopback against the same work in this process."""
    last = bundle.exits[-1].name
    edge_ms: list[float] = []
    cloud_ms: list[float] = []
    edge_plain_ms: list[float] = []
    cloud_plain_ms: list[float] = []
    async with Testbed(bundle=name, link=None) as testbed:  # noqa: SIM117
        async with EdgeClient(testbed.edge_address) as client:
            await _cloud_is_up(client)
            for number in range(WARM_UP_ROUNDS + rounds):
                image = images[number % len(images)]
                times = (
                    await _submit_ms(client, image, "edge-only", "edge"),
                    _plain_ms(partial(reference.edge, image)),
                    await _submit_ms(client, image, "server", "cloud"),
                    _plain_ms(partial(reference.cloud, image, last)),
                )
                if number >= WARM_UP_ROUNDS:
                    series = (edge_ms, edge_plain_ms, cloud_ms, cloud_plain_ms)
                    for samples, value in zip(series, times, strict=True):
                        samples.append(value)
    return {
        "edge_ratio": ratio(edge_ms, edge_plain_ms),
        "edge_ms": median(edge_ms),
        "edge_plain_ms": median(edge_plain_ms),
        "cloud_ratio": ratio(cloud_ms, cloud_plain_ms),
        "cloud_ms": median(cloud_ms),
        "cloud_plain_ms": median(cloud_plain_ms),
        "exit": last,
    }


async def _cloud_is_up(client: EdgeClient) -> None:
    while (await client.status()).cloud != "up":
        await asyncio.sleep(0.05)


async def _submit_ms(client: EdgeClient, image: bytes, policy: str, site: str) -> float:
    demands = Constraints(DEADLINE_NS, accuracy=0.0, policy=policy)
    started = time.perf_counter()
    answer = await client.submit(image, demands)
    took_ms = (time.perf_counter() - started) * 1e3
    outcome = answer.outcome
    if outcome.site is None or outcome.site.value != site:
        raise RuntimeError(f"a task meant for the {site} ended {outcome.kind}: {outcome.reason}")
    return took_ms


def _plain_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
