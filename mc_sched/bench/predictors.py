"""Quality of the forecasts on real daemons, with and without disturbances.

Two streams run side by side, one on the edge and one in the cloud, so that every predictor makes
equally many forecasts. They run undisturbed first, then while a CPU hog starts and stops, while the
link switches between kinds, while it follows a trace, and while a second edge keeps the cloud busy.
Forecasts and actual times are read from both agents' event logs.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render

from mc_sched.bench.disturbances import (
    HOME_LINK,
    Disturb,
    busy_cloud,
    cpu_hog,
    link_steps,
    link_trace,
    wandering_trace,
)
from mc_sched.bench.forecast_errors import DISTURBANCES, Scores, Span, read_scores
from mc_sched.client import Constraints, EdgeClient
from mc_sched.obs.log.event_log import read_log
from mc_sched.testbed import Testbed

DEADLINE_NS = 5_000_000_000
"""Long enough that every task is answered where it was sent, so that each forecast is scored."""
POLICY_OF = {"edge": "edge-only", "cloud": "server"}
WARM_UP_TASKS = 40
DISTINCT_IMAGES = 20
TRACE_MBPS = {"up": 6.0, "down": 14.0}
"""Median rates of the generated traces: those of 4G in JointDNN, arXiv 1801.08618."""
TRACE_S = 120


@dataclass(frozen=True)
class Plan:
    """Tasks to run: `tasks` per site and condition, at `fps` per second on each site."""

    bundle: str
    tasks: int
    fps: float
    seed: int
    traces: tuple[Path, Path] | None = None
    """Mahimahi traces up and down; None for generated ones."""


async def measure_predictors(
    plan: Plan, progress: Callable[[str], None], keep: Path | None = None
) -> Scores:
    """Run the plan and read the scores from both logs, which are kept in `keep` if given."""
    images = [encode_jpeg(render(i, plan.seed + i)) for i in range(DISTINCT_IMAGES)]
    with tempfile.TemporaryDirectory(prefix="mc-sched-") as scratch:
        directory = keep or Path(scratch)
        traces = plan.traces or _generated(Path(scratch), plan.seed)
        async with Testbed(bundle=plan.bundle, link=HOME_LINK, directory=directory) as testbed:  # noqa: SIM117
            async with EdgeClient(testbed.edge_address) as client:
                await _cloud_is_up(client)
                spans = await _follow(plan, testbed, client, images, traces, progress)
        return read_scores([*read_log(testbed.edge_log), *read_log(testbed.cloud_log)], spans)


async def _follow(
    plan: Plan,
    testbed: Testbed,
    client: EdgeClient,
    images: Sequence[bytes],
    traces: tuple[Path, Path],
    progress: Callable[[str], None],
) -> list[Span]:
    disturbances: dict[str, Disturb] = {
        "hog": cpu_hog(),
        "link_steps": link_steps(),
        "trace": link_trace(*traces),
        "busy_cloud": busy_cloud(images[0], plan.seed),
    }
    progress(f"{WARM_UP_TASKS} tasks on each site, not counted")
    await _streams(client, images, "warm-up", WARM_UP_TASKS, plan.fps)
    progress(f"undisturbed: {plan.tasks} tasks on each site")
    start_ns = time.monotonic_ns()
    await _streams(client, images, "undisturbed", plan.tasks, plan.fps)
    spans = [Span("undisturbed", start_ns, time.monotonic_ns())]
    start_ns = time.monotonic_ns()
    for number, (name, disturb) in enumerate(disturbances.items()):
        share = len(range(number, plan.tasks, len(disturbances)))
        progress(f"{DISTURBANCES[name]}: {share} tasks on each site")
        began_ns = time.monotonic_ns()
        async with disturb(testbed):
            await _streams(client, images, name, share, plan.fps)
        spans.append(Span(name, began_ns, time.monotonic_ns()))
    return [*spans, Span("disturbed", start_ns, time.monotonic_ns())]


async def _streams(
    client: EdgeClient, images: Sequence[bytes], name: str, tasks: int, fps: float
) -> None:
    """Send the same images to both sites, alternately."""
    await asyncio.gather(
        *(
            _stream(client, images, f"{name}-{site}", policy, tasks, fps, number / len(POLICY_OF))
            for number, (site, policy) in enumerate(POLICY_OF.items())
        )
    )


async def _stream(
    client: EdgeClient,
    images: Sequence[bytes],
    name: str,
    policy: str,
    tasks: int,
    fps: float,
    offset: float,
) -> None:
    frames = [(f"{name}-{i}", images[i % len(images)]) for i in range(tasks)]
    due_s = [(i + offset) / fps for i in range(tasks)]
    constraints = Constraints(DEADLINE_NS, accuracy=0.0, policy=policy, stream_id=name)
    async for _ in client.stream(frames, due_s, constraints):
        pass


async def _cloud_is_up(client: EdgeClient) -> None:
    while (await client.status()).cloud != "up":
        await asyncio.sleep(0.05)


def _generated(directory: Path, seed: int) -> tuple[Path, Path]:
    for direction, median_mbps in TRACE_MBPS.items():
        text = wandering_trace(f"{seed}-{direction}", TRACE_S, median_mbps)
        (directory / f"trace.{direction}").write_text(text, encoding="utf-8")
    return directory / "trace.up", directory / "trace.down"
