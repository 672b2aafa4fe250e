"""Two hundred tasks a second for some seconds, and what the agents' logs make of them.

One burst is served: its nets are narrow and untrained, since the way of a task through agent and
log is what counts. The other is of the bundle's own nets, too much for a small machine, which
refuses most of it; that is logged as well.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mc_models.training.narrow import narrow_bundle

from mc_sched.client import Constraints, EdgeClient
from mc_sched.testbed import Testbed

TASKS_PER_S = 200
BURST_S = 10
SERVED_DEADLINE_NS = 1_000_000_000
OVERLOAD_DEADLINE_NS = 100_000_000
WRITTEN_S = 1.0
"""Until the last lines of a burst are on the disk."""
Progress = Callable[[str], None]


async def served_burst(directory: Path, images: list[bytes], progress: Progress) -> dict[str, Any]:
    """Of tasks that are answered in a few milliseconds; `directory` takes bundle and logs."""
    progress(f"{TASKS_PER_S} tasks a second for {BURST_S} s, all of them served")
    bundle = narrow_bundle(directory / "bundle", "narrow")
    testbed = Testbed(bundle=str(bundle.path), link=None, directory=directory)
    async with testbed, EdgeClient(testbed.edge_address) as client:
        while (await client.status()).cloud != "up":
            await asyncio.sleep(0.05)
        asked = Constraints(SERVED_DEADLINE_NS, accuracy=0.0, mode="performance")
        return await _burst(client, images, asked)


async def overload_burst(
    client: EdgeClient, images: list[bytes], progress: Progress
) -> dict[str, Any]:
    """Of tasks whose nets need more than the time between two of them."""
    progress(f"{TASKS_PER_S} tasks a second for {BURST_S} s, as many as can be served")
    return await _burst(client, images, Constraints(OVERLOAD_DEADLINE_NS))


async def _burst(client: EdgeClient, images: list[bytes], asked: Constraints) -> dict[str, Any]:
    count = TASKS_PER_S * BURST_S
    frames = [(f"burst-{number:05d}", images[number % len(images)]) for number in range(count)]
    due_s = [number / TASKS_PER_S for number in range(count)]
    before, started_s = await client.status(), time.perf_counter()
    outcomes: Counter[str] = Counter()
    async for answer in client.stream(frames, due_s, asked):
        outcomes[answer.outcome.kind.value] += 1
    took_s = time.perf_counter() - started_s
    await asyncio.sleep(WRITTEN_S)
    after = await client.status()
    return {
        "tasks_per_s": count / took_s,
        "outcomes": dict(outcomes),
        "dropped": after.log_dropped - before.log_dropped,
    }
