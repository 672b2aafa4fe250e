"""Cost of logging per task, lost lines, and query times of the log store.

- `p50_ratio`: median time from submission to answer with logging (event log, log store and HTTP
  port, on both agents) over the median without logging. Two deployments on one machine alternate
  image by image, and the order of the two changes every time. `cpu_ms_per_task` is the processor
  time of both agents, which other work on the machine disturbs less.
- `dropped`: log lines that were not written in two bursts of `TASKS_PER_S` tasks per second
  (`bench/log_bursts.py`): one that the agent can serve, and an overload.
- `query_ms`: median time of a filtered query with its histogram, as the console runs it, on a
  store of `lines` lines. `queries_ms` has the median of each query; `slowest_query` and
  `slowest_query_ms` name the slowest one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mc_models.bundle.load import load_bundle
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render

from mc_sched.bench.large_store import fill, measure_first_page_ms, measure_queries
from mc_sched.bench.log_bursts import light_burst, overload_burst
from mc_sched.bench.stats import median, ratio
from mc_sched.client import Constraints, EdgeClient
from mc_sched.testbed import Testbed

DEADLINE_NS = 5_000_000_000
WARM_UP_ROUNDS = 20
DISTINCT_IMAGES = 20
PROGRESS_ROUNDS = 50
"""Rounds between two lines of progress."""
POLICIES = {"edge": "edge-only", "cloud": "server"}
"""Site -> the policy that sends every task to it."""
Progress = Callable[[str], None]


async def measure_logging(
    bundle: str, rounds: int, lines: int, progress: Progress
) -> dict[str, Any]:
    """Return all figures of `mc-sched bench logging`."""
    pixels = load_bundle(bundle, verify=False).input_px
    images = [encode_jpeg(render(i, i, pixels)) for i in range(DISTINCT_IMAGES)]
    with tempfile.TemporaryDirectory(prefix="mc-sched-") as folder:
        directory = Path(folder)
        agents = await _agent_figures(bundle, images, rounds, directory, progress)
        light = await light_burst(directory / "narrow", images, progress)
        bursts = {"light": light, "overload": agents.pop("overload")}
        progress(f"queries on a store of {lines:,} lines")
        return {
            **agents,
            "dropped": sum(burst["dropped"] for burst in bursts.values()),
            "bursts": bursts,
            **_store_figures(directory / "edge.jsonl", directory / "many.db", lines, progress),
        }


def _store_figures(log: Path, store: Path, lines: int, progress: Progress) -> dict[str, Any]:
    write_us = fill(store, log, lines, progress)
    queries = measure_queries(store)
    slowest = max(queries, key=lambda name: queries[name])
    return {
        "query_ms": median(list(queries.values())),
        "slowest_query": slowest,
        "slowest_query_ms": queries[slowest],
        "queries_ms": queries,
        "first_page_ms": measure_first_page_ms(store),
        "lines": lines,
        "store_bytes": store.stat().st_size,
        "write_us_per_line": write_us,
    }


async def _agent_figures(
    bundle: str, images: list[bytes], rounds: int, directory: Path, progress: Progress
) -> dict[str, Any]:
    logged = Testbed(bundle=bundle, link=None, directory=directory)
    unlogged = Testbed(bundle=bundle, link=None, logged=False)
    one, other = EdgeClient(logged.edge_address), EdgeClient(unlogged.edge_address)
    async with logged, unlogged, one, other:
        progress("tasks with and without logging, alternating")
        beds = {"logged": logged, "unlogged": unlogged}
        before_s = {name: bed.cpu_s() for name, bed in beds.items()}
        figures = await _ratios({"logged": one, "unlogged": other}, images, rounds, progress)
        tasks = (WARM_UP_ROUNDS + rounds) * len(POLICIES)
        cpu_ms = {n: (bed.cpu_s() - before_s[n]) / tasks * 1e3 for n, bed in beds.items()}
        overload = await overload_burst(one, images, progress)
        return {**figures, "cpu_ms_per_task": cpu_ms, "overload": overload}


async def _ratios(
    clients: dict[str, EdgeClient], images: list[bytes], rounds: int, progress: Progress
) -> dict[str, Any]:
    """Return the ratios per site and their mean, and the medians behind them."""
    for client in clients.values():
        while (await client.status()).cloud != "up":
            await asyncio.sleep(0.05)
    samples: dict[tuple[str, str], list[float]] = {
        (name, site): [] for name in clients for site in POLICIES
    }
    for number in range(WARM_UP_ROUNDS + rounds):
        if number and number % PROGRESS_ROUNDS == 0:
            progress(f"{number} of {WARM_UP_ROUNDS + rounds} rounds")
        order = list(clients) if number % 2 else list(reversed(clients))
        for site, policy in POLICIES.items():
            for name in order:
                took_ms = await _task_ms(clients[name], images[number % len(images)], policy)
                if number >= WARM_UP_ROUNDS:
                    samples[name, site].append(took_ms)
    ratios = {site: ratio(samples["logged", site], samples["unlogged", site]) for site in POLICIES}
    return {
        "p50_ratio": sum(ratios.values()) / len(ratios),
        "p50_ratios": ratios,
        "p50_ms": {f"{name}_{site}": median(found) for (name, site), found in samples.items()},
        "rounds": rounds,
    }


async def _task_ms(client: EdgeClient, image: bytes, policy: str) -> float:
    started_s = time.perf_counter()
    await client.submit(image, Constraints(DEADLINE_NS, accuracy=0.0, policy=policy))
    return (time.perf_counter() - started_s) * 1e3
