"""How good the forecasts are, on real daemons, with and without disturbances.

Two streams run side by side, one served on the edge and one in the cloud, so that every predictor
has as much to foretell. They run undisturbed first, then while a CPU hog comes and goes, while the
link steps between kinds, while it follows a trace, and while another edge keeps the cloud busy.
Both agents' event logs hold what was forecast and what then happened; nothing is measured twice.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mc_models.preprocess import encode_jpeg
from mc_models.synthetic import render

from mc_sched.bench.disturbances import (
    HOME_LINK,
    Disturb,
    busy_cloud,
    cpu_hog,
    link_steps,
    link_trace,
    wandering_trace,
)
from mc_sched.client import Constraints, EdgeClient
from mc_sched.core.scores import Predictor, Score, reliability
from mc_sched.obs.event_log import Record, from_json, read_log
from mc_sched.testbed import Testbed

DEADLINE_NS = 5_000_000_000
"""Far enough that every task is answered where it was sent, and every forecast has its truth."""
POLICY_OF = {"edge": "edge-only", "cloud": "server"}
WARM_UP_TASKS = 40
DISTINCT_IMAGES = 20
TRACE_MBPS = {"up": 6.0, "down": 14.0}
"""Middle rates of the generated trace: those of 4G in JointDNN, arXiv 1801.08618."""
TRACE_S = 120
REPORTED = (
    Predictor.LOCAL, Predictor.RESIDUAL_OPS, Predictor.RESIDUAL_CALIBRATED, Predictor.STAGE,
    Predictor.TRANSFER_UP, Predictor.TRANSFER_DOWN, Predictor.CLOUD_TOTAL,
)  # fmt: skip
DISTURBANCES = {
    "hog": "a CPU hog starts and stops",
    "link_steps": "the link steps between kinds",
    "trace": "the link follows a trace",
    "busy_cloud": "another edge keeps the cloud busy",
}
CONDITIONS = ("undisturbed", "disturbed", *DISTURBANCES)
"""`disturbed` is all the disturbances together."""
Scores = dict[Predictor, dict[str, list[Score]]]
"""By predictor and condition."""


@dataclass(frozen=True)
class Plan:
    """What to run: `tasks` per site and condition, at `fps` a second on each site."""

    bundle: str
    tasks: int
    fps: float
    seed: int
    traces: tuple[Path, Path] | None = None
    """Mahimahi files up and down; None: generated ones."""


@dataclass(frozen=True)
class Span:
    """A part of the run, on the machine's monotonic clock."""

    condition: str
    start_ns: int
    end_ns: int


async def measure_predictors(
    plan: Plan, progress: Callable[[str], None], keep: Path | None = None
) -> Scores:
    """Run the plan, read both logs. `keep`: a folder for the logs."""
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
    """The same images to both sites, in turns."""
    await asyncio.gather(
        *(
            _stream(client, images, f"{name}-{site}", policy, tasks, fps, turn / len(POLICY_OF))
            for turn, (site, policy) in enumerate(POLICY_OF.items())
        )
    )


async def _stream(
    client: EdgeClient,
    images: Sequence[bytes],
    name: str,
    policy: str,
    tasks: int,
    fps: float,
    turn: float,
) -> None:
    frames = [(f"{name}-{i}", images[i % len(images)]) for i in range(tasks)]
    due_s = [(i + turn) / fps for i in range(tasks)]
    demands = Constraints(DEADLINE_NS, accuracy=0.0, policy=policy, stream_id=name)
    async for _ in client.stream(frames, due_s, demands):
        pass


async def _cloud_is_up(client: EdgeClient) -> None:
    while (await client.status()).cloud != "up":
        await asyncio.sleep(0.05)


def _generated(directory: Path, seed: int) -> tuple[Path, Path]:
    for way, mean_mbps in TRACE_MBPS.items():
        text = wandering_trace(f"{seed}-{way}", TRACE_S, mean_mbps)
        (directory / f"trace.{way}").write_text(text, encoding="utf-8")
    return directory / "trace.up", directory / "trace.down"


# --- what the logs say ------------------------------------------------------------------------


def read_scores(records: Iterable[Record], spans: Iterable[Span]) -> Scores:
    """Every score within one of the spans, by predictor and condition."""
    spans = list(spans)
    found: Scores = {
        predictor: {condition: [] for condition in CONDITIONS} for predictor in Predictor
    }
    for record in records:
        if record["name"] != "RecordScore":
            continue
        score = from_json("RecordScore", record["data"]).score
        for span in spans:
            if span.start_ns <= record["t_ns"] < span.end_ns:
                found[score.predictor][span.condition].append(score)
    return found


def report(scores: Scores) -> dict[str, Any]:
    """The figures as one JSON object; shares are in [0, 1]."""
    return {
        "predictors": {
            predictor.value: {
                condition: figures(scores[predictor][condition]) for condition in CONDITIONS
            }
            for predictor in REPORTED
        }
    }


def figures(scores: list[Score]) -> dict[str, Any]:
    """Of no scores they are all 0."""
    if not scores:
        return {"mape": 0.0, "p95_under": 0.0, "coverage95": 0.0, "n": 0}
    found = reliability(scores)
    return {
        "mape": found.mape,
        "p95_under": found.p95_under,
        "coverage95": found.coverage,
        "n": found.n,
    }


def rows(scores: Scores) -> list[tuple[str, ...]]:
    """The figures for people: a line per predictor and condition that has scores."""
    table: list[tuple[str, ...]] = [
        ("predictor", "", "mean error", "95% short by", "quantile held", "forecasts")
    ]
    for predictor, by_condition in scores.items():
        for condition, found in by_condition.items():
            if found:
                shown = figures(found)
                table.append((
                    predictor.value, condition, f"{shown['mape']:.1%}",
                    f"{shown['p95_under']:.1%}", f"{shown['coverage95']:.1%}", f"{shown['n']}",
                ))  # fmt: skip
    return table
