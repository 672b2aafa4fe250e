"""What happens on the cloud after a give-up: nothing new may start.

A real cloud agent works on one task after another; each is given up at a random moment of its
work. The agent's own event log then tells whether a stage or head started after the give-up had
arrived, and how long the executor was still busy with the piece that was running.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

from mc_sched.bench.stats import median, quantile

BUDGET_NS = 10_000_000_000


@dataclass(frozen=True)
class GiveUps:
    """What the log says about the tasks that were given up while the cloud worked on them."""

    given_up: int
    stages_after_give_up: int
    to_idle_ms: tuple[float, ...]
    stage_ms: tuple[float, ...]

    def report(self) -> dict[str, Any]:
        """The figures as one JSON object."""
        return {
            "given_up": self.given_up,
            "stages_after_give_up": self.stages_after_give_up,
            "to_idle_ms": {
                "p50": median(self.to_idle_ms),
                "p99": quantile(self.to_idle_ms, 0.99),
            },
            "stage_ms": {"p50": median(self.stage_ms), "p99": quantile(self.stage_ms, 0.99)},
            "to_idle_per_stage": median(self.to_idle_ms) / median(self.stage_ms),
        }


async def give_up_tasks(address: str, image: bytes, accuracy: float, seed: int) -> AsyncIterator[int]:
    """Send tasks and give each up at a random moment; yields after each task, without end."""
    draw = random.Random(seed)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(address, options=options) as data,
        grpc.aio.insecure_channel(address, options=options) as control,
    ):
        infer, give_up = cloud_pb2_grpc.CloudAgentStub(data), cloud_pb2_grpc.CloudAgentStub(control)
        described = await infer.Describe(cloud_pb2.DescribeRequest(), timeout=10)
        number = 0
        while True:
            await _one(infer, give_up, described.bundle_hash, number, image, accuracy, draw)
            number += 1
            yield number


async def _one(
    infer: Any, give_up: Any, bundle_hash: str, number: int, image: bytes, accuracy: float,
    draw: random.Random,
) -> None:  # fmt: skip
    import asyncio

    call = infer.Infer(timeout=30)
    opened = cloud_pb2.InferRequest.Open(
        task_id=f"give-up-{number}", edge_id="bench", codec="jpeg", payload_bytes=len(image),
        accuracy=accuracy, budget_ns=BUDGET_NS, exit_rule=common_pb2.EXIT_RULE_PURSUE,
        bundle_hash=bundle_hash,
    )  # fmt: skip
    await call.write(cloud_pb2.InferRequest(open=opened))
    await call.write(cloud_pb2.InferRequest(chunk=image))
    await call.done_writing()
    first = await call.read()
    await asyncio.sleep(draw.random() * first.accepted.predicted_ns / 1e9)
    request = cloud_pb2.GiveUpRequest(task_id=f"give-up-{number}", edge_id="bench")
    await give_up.GiveUp(request, timeout=10)
    while await call.read() is not grpc.aio.EOF:
        pass


def read_give_ups(records: Iterable[dict[str, Any]]) -> GiveUps:
    """Count from an event log's records what came after each task's give-up."""
    given_up_at: dict[str, int] = {}
    ended: set[str] = set()
    after, to_idle_ms, stage_ms = 0, [], []
    for record in records:
        name, task_ids = record["name"], _task_ids(record)
        if name == "StageDone":
            stage_ms.append(record["data"]["took_ns"] / 1e6)
        for task_id in task_ids:
            if name == "GiveUpReceived" and task_id not in ended:
                given_up_at.setdefault(task_id, record["t_ns"])
            elif name in ("RunStage", "RunHead") and task_id in given_up_at:
                after += 1
            elif name in ("Stop", "Reply", "Refuse"):
                ended.add(task_id)
                if task_id in given_up_at:
                    to_idle_ms.append((record["t_ns"] - given_up_at[task_id]) / 1e6)
    return GiveUps(len(given_up_at), after, tuple(to_idle_ms), tuple(stage_ms))


def _task_ids(record: dict[str, Any]) -> tuple[str, ...]:
    data = record.get("data", {})
    if "task_ids" in data:
        return tuple(data["task_ids"])
    return (data["task_id"],) if "task_id" in data else ()
