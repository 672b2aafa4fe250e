"""Bursts of 200 tasks per second, which show whether the agents' logs keep up.

In one burst the agent answers every task: its nets are narrow and untrained, so that agent and log
set the pace. In the other it runs the bundle's own nets, which a small machine cannot do at this
rate; refusals are logged as well.
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
LIGHT_DEADLINE_NS = 1_000_000_000
OVERLOAD_DEADLINE_NS = 100_000_000
WRITE_S = 1.0
"""Wait after a burst until its last lines are on the disk."""
Progress = Callable[[str], None]


async def light_burst(directory: Path, images: list[bytes], progress: Progress) -> dict[str, Any]:
    """Run a burst of tasks that take a few milliseconds each.

    The bundle and the logs are written to `directory`.
    """
    progress(f"{TASKS_PER_S} tasks per second for {BURST_S} s, with narrow nets")
    bundle = narrow_bundle(directory / "bundle", "narrow")
    testbed = Testbed(bundle=str(bundle.path), link=None, directory=directory)
    async with testbed, EdgeClient(testbed.edge_address) as client:
        while (await client.status()).cloud != "up":
            await asyncio.sleep(0.05)
        constraints = Constraints(LIGHT_DEADLINE_NS, accuracy=0.0, mode="performance")
        return await _burst(client, images, constraints)


async def overload_burst(
    client: EdgeClient, images: list[bytes], progress: Progress
) -> dict[str, Any]:
    """Run a burst of tasks that arrive faster than the nets can run."""
    progress(f"{TASKS_PER_S} tasks per second for {BURST_S} s, an overload")
    return await _burst(client, images, Constraints(OVERLOAD_DEADLINE_NS))


async def _burst(
    client: EdgeClient, images: list[bytes], constraints: Constraints
) -> dict[str, Any]:
    count = TASKS_PER_S * BURST_S
    frames = [(f"burst-{number:05d}", images[number % len(images)]) for number in range(count)]
    due_s = [number / TASKS_PER_S for number in range(count)]
    before, started_s = await client.status(), time.perf_counter()
    outcomes: Counter[str] = Counter()
    async for answer in client.stream(frames, due_s, constraints):
        outcomes[answer.outcome.kind.value] += 1
    took_s = time.perf_counter() - started_s
    await asyncio.sleep(WRITE_S)
    after = await client.status()
    return {
        "tasks_per_s": count / took_s,
        "outcomes": dict(outcomes),
        "dropped": after.log_dropped - before.log_dropped,
    }
