"""Work that the cloud still does after a give-up: no new stage or head may start.

A real cloud agent works on one task after another, and each is given up at a random moment of its
work. The agent's event log then shows whether a stage or head started after the give-up arrived,
and how long the executor was still busy with the piece that was running.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mc_sched.bench.cloud_tasks import CloudTasks
from mc_sched.bench.stats import median, quantile
from mc_sched.obs.log.event_log import read_log
from mc_sched.testbed import Testbed

BUDGET_NS = 10_000_000_000
EDGE_ID = "bench"


@dataclass(frozen=True)
class GiveUps:
    """Figures of the tasks that were given up while the cloud worked on them."""

    given_up: int
    stages_after_give_up: int
    to_idle_ms: tuple[float, ...]
    stage_ms: tuple[float, ...]

    def report(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
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


async def measure_give_up(
    bundle: str, tasks: int, seed: int, progress: Callable[[str], None]
) -> GiveUps:
    """Give up `tasks` tasks while a real cloud agent works on them, and read its log."""
    with tempfile.TemporaryDirectory(prefix="mc-sched-") as directory:
        async with Testbed(bundle=bundle, link=None, directory=directory) as testbed:  # noqa: SIM117
            async with CloudTasks(testbed.cloud_address, EDGE_ID) as sender:
                await _until_given_up(sender, tasks, seed, progress)
        return read_give_ups(read_log(testbed.cloud_log))


async def _until_given_up(
    sender: CloudTasks, tasks: int, seed: int, progress: Callable[[str], None]
) -> None:
    """Send tasks until enough were given up in time; some replies are faster than the give-up."""
    from mc_models.data.preprocess import encode_jpeg
    from mc_models.data.synthetic import render

    image = encode_jpeg(render(0, seed))
    draw = random.Random(seed)
    number = caught = 0
    while caught < tasks:
        caught += await _give_up_one(sender, f"give-up-{number}", image, draw)
        number += 1
        if number % 200 == 0:
            progress(f"{caught} of {tasks} tasks given up during their work")


async def _give_up_one(tasks: CloudTasks, task_id: str, image: bytes, draw: random.Random) -> bool:
    """Send a task and give it up at a random moment; return True if that stopped its work."""
    tasks.send(task_id, image, BUDGET_NS)
    kind, accepted = await tasks.next_message(task_id)
    if kind != "accepted":
        return False
    await asyncio.sleep(draw.random() * accepted.predicted_ns / 1e9)
    tasks.give_up(task_id)
    return await tasks.end(task_id) == "stopped"


def read_give_ups(records: Iterable[dict[str, Any]]) -> GiveUps:
    """Count what followed each task's give-up in an event log."""
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
