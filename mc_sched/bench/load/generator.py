"""The process that makes the load: `python -m mc_sched.bench.load.generator INPUT_PX [CORE]`.

Its images are squares of INPUT_PX pixels; without CORE it runs on any core. It reads one job per
line from stdin, as JSON, and answers with one line of JSON. The garbage collector rests during a
job, so that its pauses are not charged to the server.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render

from mc_sched.bench.load.plan import Burst, Phase
from mc_sched.bench.load.recovery import recovery_s
from mc_sched.bench.load.tally import LoadPoint, LoadTally
from mc_sched.bench.load.targets.cloud import CloudTarget
from mc_sched.bench.load.targets.edge import EdgeTarget
from mc_sched.bench.load.targets.fcfs import FcfsTarget
from mc_sched.bench.load.targets.target import Target

TARGETS: dict[str, Callable[[], Target]] = {
    "cloud": CloudTarget, "edge": EdgeTarget, "fcfs": FcfsTarget,
}  # fmt: skip
DISTINCT_IMAGES = 20
SETTLE_S = 2.0
"""Time after the last deadline for ends that have not arrived yet."""


def images_of(input_px: int) -> list[bytes]:
    """Return the JPEGs that are sent in turn."""
    return [encode_jpeg(render(i, i, input_px)) for i in range(DISTINCT_IMAGES)]


def due_times(rate_per_s: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the moments of Poisson arrivals, in seconds from the start."""
    draw = random.Random(f"{seed}-{rate_per_s}")
    at_s = draw.expovariate(rate_per_s)
    while at_s < seconds:
        yield at_s
        at_s += draw.expovariate(rate_per_s)


async def run_phase(phase: Phase, images: list[bytes]) -> LoadPoint:
    """Offer one load to one server."""
    target = TARGETS[phase.kind]()
    tally = LoadTally(phase.deadline_ns / 1e9)
    await target.open(phase, images)
    try:
        await offer(target, phase, tally)
        await _settle(tally)
    finally:
        await target.close()
    tally.failed += tally.came - tally.ended
    return tally.point(phase.seconds)


async def offer(target: Target, phase: Phase, tally: LoadTally) -> None:
    """Send the tasks of a phase at their times."""
    loop = asyncio.get_running_loop()
    start_s = loop.time() + 0.05
    for number, at_s in enumerate(due_times(phase.rate_per_s, phase.seconds, phase.seed)):
        due_s = start_s + at_s
        # sleep(0) lets replies in even if the generator is behind its times
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        tally.lags_s.append(loop.time() - due_s)
        tally.came += 1
        target.send(number, due_s, tally)


async def _settle(tally: LoadTally) -> None:
    waited_s = 0.0
    while tally.ended < tally.came and waited_s < tally.deadline_s + SETTLE_S:
        await asyncio.sleep(0.02)
        waited_s += 0.02


async def run_burst(burst: Burst, images: list[bytes]) -> float | None:
    """Overload a server; return the seconds until it serves again, None if it does not."""
    target = TARGETS[burst.phase.kind]()
    await target.open(burst.phase, images)
    try:
        await offer(target, burst.phase, LoadTally(burst.phase.deadline_ns / 1e9))
        return await recovery_s(target, burst.phase.deadline_ns / 1e9, burst.patience_s)
    finally:
        await target.close()


def run_job(job: dict[str, Any], images: list[bytes]) -> Any:
    """Run one job and return its result as JSON values."""
    phase = Phase(**job["phase"])
    gc.collect()
    gc.disable()
    try:
        if "patience_s" in job:
            return asyncio.run(run_burst(Burst(phase, job["patience_s"]), images))
        return asyncio.run(run_phase(phase, images)).report()
    finally:
        gc.enable()


def main() -> None:
    """Run jobs until stdin is closed."""
    input_px = int(sys.argv[1])
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    images = images_of(input_px)
    for line in sys.stdin:
        print(json.dumps(run_job(json.loads(line), images)), flush=True)


if __name__ == "__main__":
    main()
