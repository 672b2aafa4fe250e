"""One stream of frames: arrival times, submission, and the result of each frame."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mc_sched.cli.streaming.frames import Frame
from mc_sched.errors import ConnectError
from mc_sched.obs.report.summary import TaskResult, claim_of

if TYPE_CHECKING:
    from mc_proto.v1.edge_pb2 import StatusReply

    from mc_sched.cli.streaming.view import StreamView
    from mc_sched.client import Answer, Constraints, EdgeClient

MAX_STREAM_ID = 100
"""Characters of a stream's id. Task ids add to it and may have 128 on the wire."""


def arrival_times_s(count: int, fps: float, arrivals: str, seed: int) -> list[float]:
    """Return when each frame arrives: every 1/fps seconds, or by a Poisson process of that rate."""
    if arrivals == "constant":
        return [number / fps for number in range(count)]
    draw = random.Random(seed)
    times, now = [], 0.0
    for _ in range(count):
        times.append(now)
        now += draw.expovariate(fps)
    return times


async def run_stream(
    client: EdgeClient,
    frames: Sequence[Frame],
    due_s: Sequence[float],
    constraints: Constraints,
    view: StreamView,
    results: list[TaskResult],
    reconnect_s: float = 0.0,
) -> None:
    """Submit the frames and append each result as it arrives, so that a Ctrl-C loses none."""
    prefix = f"{constraints.stream_id or 'frames'}-{time.time_ns() // 1_000_000 % 10**8:08d}"
    ids = [f"{prefix}-{number:05d}" for number in range(len(frames))]
    sent = dict(zip(ids, zip(frames, due_s, strict=True), strict=True))
    batch = [(task_id, frame.data) for task_id, (frame, _) in sent.items()]
    async for answer in client.stream(batch, due_s, constraints, reconnect_s):
        frame, at_s = sent[answer.outcome.task_id]
        results.append(result_of(answer, frame.label, at_s))
        view.show(answer, frame)


async def idle_j_since(client: EdgeClient, before: StatusReply) -> float | None:
    """Return the device's joules outside of tasks since `before`; None if it has no sensor."""
    try:
        now = await client.status()
    except ConnectError:
        return None
    measures = now.HasField("power_w") and now.energy_idle_j > before.energy_idle_j
    return now.energy_idle_j - before.energy_idle_j if measures else None


def result_of(answer: Answer, label: str | None, submitted_s: float = 0.0) -> TaskResult:
    """Return the answer as a result, checked against the true label if that is known."""
    known = label is not None and answer.outcome.prediction is not None
    correct = label in answer.labels if known else None
    return TaskResult(answer.outcome, correct, answer.error, submitted_s, claim_of(answer.claimed))
