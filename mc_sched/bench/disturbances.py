"""Disturbances of a deployment, each as an async context manager over a testbed.

`mc-sched bench predictors` runs them one after another. Each alternates between on and off every
few seconds, so that the predictors meet both sudden changes and steady phases.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mc_sched.bench.cloud_tasks import CloudTasks
from mc_sched.testbed import Testbed

PERIOD_S = 4.0
"""Duration of one phase of a hog or a kind of link."""
HOME_LINK = "wifi"
LINK_STEPS = ("4g", "3g", HOME_LINK)
"""5.85, 1.10 and 18.88 Mbps up: the rate changes by factors of 3, 5 and 17."""
BUSY_BUDGET_NS = 2_000_000_000
BUSY_PAUSE_S = 0.05
"""Mean pause between two tasks of the second edge."""
Disturb = Callable[[Testbed], AbstractAsyncContextManager[None]]


def cpu_hog() -> Disturb:
    """Run a process that alternately computes and pauses."""
    return lambda testbed: _meanwhile(_hog())


def link_steps() -> Disturb:
    """Switch the link to another kind every few seconds."""

    @contextlib.asynccontextmanager
    async def disturb(testbed: Testbed) -> AsyncIterator[None]:
        async with _meanwhile(_step(testbed)):
            yield
        await testbed.set_link(HOME_LINK)

    return disturb


def link_trace(up: Path, down: Path) -> Disturb:
    """Let the link's rates follow two Mahimahi traces."""

    @contextlib.asynccontextmanager
    async def disturb(testbed: Testbed) -> AsyncIterator[None]:
        await testbed.follow_traces(up, down)
        yield
        await testbed.set_link(HOME_LINK)

    return disturb


def busy_cloud(image: bytes, seed: int) -> Disturb:
    """Send tasks of a second edge to the same cloud agent, at random moments."""
    return lambda testbed: _meanwhile(_second_edge(testbed.cloud_address, image, seed))


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in the background until the body has finished."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hog() -> None:
    while True:
        hog = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        try:
            await asyncio.sleep(PERIOD_S)
        finally:
            hog.kill()
            await hog.wait()
        await asyncio.sleep(PERIOD_S)


async def _step(testbed: Testbed) -> None:
    while True:
        for kind in LINK_STEPS:
            await testbed.set_link(kind)
            await asyncio.sleep(PERIOD_S)


async def _second_edge(address: str, image: bytes, seed: int) -> None:
    draw = random.Random(seed)
    async with CloudTasks(address, "second") as tasks:
        for number in itertools.count(1):
            tasks.send(f"busy-{number}", image, BUSY_BUDGET_NS)
            await tasks.end(f"busy-{number}")
            await asyncio.sleep(draw.expovariate(1 / BUSY_PAUSE_S))


def wandering_trace(seed: str, seconds: int, median_mbps: float) -> str:
    """Return a Mahimahi trace whose rate wanders between a fifth and five times its median."""
    draw = random.Random(seed)
    lines: list[int] = []
    level = owed = 0.0
    for millisecond in range(1, seconds * 1000 + 1):
        if millisecond % 100 == 0:
            level = 0.9 * level + draw.gauss(0.0, 0.25)
        rate_mbps = median_mbps * min(5.0, max(0.2, 2.0**level))
        owed += rate_mbps * 1e3 / (1500 * 8)
        while owed >= 1.0:
            lines.append(millisecond)
            owed -= 1.0
    return "".join(f"{line}\n" for line in lines)
