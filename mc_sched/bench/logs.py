"""What logging costs a task, whether it keeps up, and how soon the store answers.

- `p50_ratio`: median time from submission to answer with logging (event log, log store and HTTP
  port, on both agents) over the same without. Two deployments on one machine take turns image by
  image, and who goes first changes every time.
- `dropped`: log lines that were not written while `tasks_per_s` tasks were sent for some seconds.
  A small machine refuses many of them, and that is logged as well.
- `query_ms`: a filtered query with its histogram on a store of `lines` lines, median of several;
  `queries_ms` has the median of each, and `slowest_query_ms` the one that has to read the most.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mc_models.bundle import load_bundle
from mc_models.preprocess import encode_jpeg
from mc_models.synthetic import render

from mc_sched.bench.many_lines import fill, measure_first_page_ms, measure_queries
from mc_sched.bench.stats import median, ratio
from mc_sched.client import Constraints, EdgeClient
from mc_sched.testbed import Testbed

TASKS_PER_S = 200
BURST_S = 10
DEADLINE_NS = 5_000_000_000
BURST_DEADLINE_NS = 100_000_000
WARM_UP_ROUNDS = 20
DISTINCT_IMAGES = 20
WRITTEN_S = 1.0
"""Until the last lines of a burst are on the disk."""
Progress = Callable[[str], None]


async def measure_logging(
    bundle: str, rounds: int, lines: int, progress: Progress
) -> dict[str, Any]:
    """All the figures of `mc-sched bench logging`."""
    pixels = load_bundle(bundle, verify=False).input_px
    images = [encode_jpeg(render(i, i, pixels)) for i in range(DISTINCT_IMAGES)]
    with tempfile.TemporaryDirectory(prefix="mc-sched-") as folder:
        directory = Path(folder)
        running = await _running(bundle, images, rounds, directory, progress)
        progress(f"a store of {lines:,} lines")
        store = directory / "many.db"
        write_us = fill(store, directory / "edge.jsonl", lines, progress)
        queries = measure_queries(store)
        return {
            **running,
            "query_ms": median(list(queries.values())),
            "slowest_query_ms": max(queries.values()),
            "queries_ms": queries,
            "first_page_ms": measure_first_page_ms(store),
            "lines": lines,
            "store_bytes": store.stat().st_size,
            "write_us_per_line": write_us,
        }


async def _running(
    bundle: str, images: list[bytes], rounds: int, directory: Path, progress: Progress
) -> dict[str, Any]:
    logged = Testbed(bundle=bundle, link=None, directory=directory)
    silent = Testbed(bundle=bundle, link=None, logged=False)
    one, other = EdgeClient(logged.edge_address), EdgeClient(silent.edge_address)
    async with logged, silent, one, other:
        progress("with and without logging, image by image")
        figures = await _ratios({"logged": one, "silent": other}, images, rounds)
        progress(f"{TASKS_PER_S} tasks a second for {BURST_S} s")
        return {**figures, **await _burst(one, images)}


async def _ratios(
    clients: dict[str, EdgeClient], images: list[bytes], rounds: int
) -> dict[str, Any]:
    """Medians per site, and of both together."""
    for client in clients.values():
        while (await client.status()).cloud != "up":
            await asyncio.sleep(0.05)
    samples: dict[tuple[str, str], list[float]] = {
        (name, policy): [] for name in clients for policy in ("edge-only", "server")
    }
    for number in range(WARM_UP_ROUNDS + rounds):
        order = list(clients) if number % 2 else list(reversed(clients))
        for policy in ("edge-only", "server"):
            for name in order:
                took_ms = await _task_ms(clients[name], images[number % len(images)], policy)
                if number >= WARM_UP_ROUNDS:
                    samples[name, policy].append(took_ms)
    ratios = {
        site: ratio(samples["logged", policy], samples["silent", policy])
        for site, policy in (("edge", "edge-only"), ("cloud", "server"))
    }
    return {
        "p50_ratio": sum(ratios.values()) / len(ratios),
        "p50_ratios": ratios,
        "p50_ms": {f"{name}_{policy}": median(found) for (name, policy), found in samples.items()},
        "rounds": rounds,
    }


async def _task_ms(client: EdgeClient, image: bytes, policy: str) -> float:
    started_s = time.perf_counter()
    await client.submit(image, Constraints(DEADLINE_NS, accuracy=0.0, policy=policy))
    return (time.perf_counter() - started_s) * 1e3


async def _burst(client: EdgeClient, images: list[bytes]) -> dict[str, Any]:
    """Tasks as fast as promised, and what the log makes of them."""
    count = TASKS_PER_S * BURST_S
    frames = [(f"burst-{number:05d}", images[number % len(images)]) for number in range(count)]
    due_s = [number / TASKS_PER_S for number in range(count)]
    before, started_s = await client.status(), time.perf_counter()
    kinds: Counter[str] = Counter()
    async for answer in client.stream(frames, due_s, Constraints(BURST_DEADLINE_NS)):
        kinds[answer.outcome.kind.value] += 1
    took_s = time.perf_counter() - started_s
    await asyncio.sleep(WRITTEN_S)
    after = await client.status()
    return {
        "dropped": after.log_dropped - before.log_dropped,
        "tasks_per_s": count / took_s,
        "outcomes": dict(kinds),
    }
