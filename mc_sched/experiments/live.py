"""Runs a scenario on the real daemons: both agents and the link emulator, on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.obs.report.summary import TaskResult, claim_of
from mc_sched.sim.scenario import EdgeGroupConfig, Scenario

if TYPE_CHECKING:
    from mc_sched.client import EdgeClient
    from mc_sched.testbed import Testbed

IMAGES = 60
"""Number of different images; they repeat."""
CONNECT_TIMEOUT_S = 10.0


async def run_live(scenario: Scenario, folder: Path) -> list[TaskResult]:
    """Return the results of the scenario's only edge; the agents' logs stay in `folder`."""
    from mc_sched.client import EdgeClient
    from mc_sched.testbed import Testbed

    (group,) = scenario.edges
    assert scenario.bundle is not None
    testbed = Testbed(
        bundle=scenario.bundle.name, link=group.link.kind, directory=folder,
        edge_options=("--policy", group.policy, "--mode", group.mode.value),
    )  # fmt: skip
    images = _images()
    async with testbed, EdgeClient(testbed.edge_address) as client:
        await _connected(client)
        outages = asyncio.gather(*(_cut(testbed, o.start, o.duration) for o in group.link.outages))
        results = await _stream(client, group, images)
        await outages
    return results


async def _stream(
    client: EdgeClient, group: EdgeGroupConfig, images: list[bytes]
) -> list[TaskResult]:
    from mc_sched.client import Constraints

    stream = group.stream
    frames = [(f"edge-{n}", images[n % len(images)]) for n in range(stream.tasks)]
    due_s = {task_id: n / stream.fps for n, (task_id, _) in enumerate(frames)}
    constraints = Constraints(stream.deadline, stream.accuracy, privacy=stream.privacy.value)
    answers = client.stream(frames, list(due_s.values()), constraints)
    return [
        TaskResult(
            answer.outcome,
            None,
            answer.error,
            due_s[answer.outcome.task_id],
            claim_of(answer.claimed),
        )
        async for answer in answers
    ]


async def _connected(client: EdgeClient) -> None:
    """Wait until the edge agent is connected to the cloud, or the timeout is over."""
    for _ in range(round(CONNECT_TIMEOUT_S / 0.1)):
        if (await client.status()).cloud == "up":
            return
        await asyncio.sleep(0.1)


async def _cut(testbed: Testbed, start_ns: int, duration_ns: int) -> None:
    await asyncio.sleep(start_ns / 1e9)
    await testbed.cut_link()
    await asyncio.sleep(duration_ns / 1e9)
    await testbed.restore_link()


def _images() -> list[bytes]:
    from mc_models.data.preprocess import encode_jpeg
    from mc_models.data.synthetic import render_split

    return [encode_jpeg(image) for image, _ in render_split("test", IMAGES, seed=0)]
