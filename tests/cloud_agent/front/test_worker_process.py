"""The real worker process with a small bundle: a task from the pipe to its answer, and restarts."""

import asyncio
import io
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cloud_agent.front.remote_worker import COMMAND
from cloud_agent.pipe.messages import Start
from mc_sched.core import events as ev
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from mc_sched.obs.replay import replay
from tests.cloud_agent.cloud_rig import MS, S, until
from tests.cloud_agent.front.test_remote_worker import Rig

LOAD_S = 60.0


def jpeg():
    """An image that a camera could have made."""
    pixels = np.random.default_rng(1).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def task(number):
    return ev.Received(
        time.monotonic_ns(), f"robot/t{number}", "robot", 0.0, 30 * S, MS, "jpeg",
        ExitRule.EARLIEST,
    )  # fmt: skip


def start(bundle, tmp_path, profiles=()):
    profile, settings = str(tmp_path / "profile.json"), CloudSettings(decoders=2)
    path, known = str(bundle.path), list(profiles)
    return Start(0, "cpu", path, profile, 1, "float32", settings, known, logged=True)


class RealRig(Rig):
    """A worker with its real process."""

    def __init__(self):
        super().__init__("", device="cpu")
        self.worker._command = COMMAND

    async def up_with(self, message):
        self.running = asyncio.create_task(self.worker.run(message))
        came_up = asyncio.create_task(self.worker.until_up())
        await asyncio.wait({self.running, came_up}, timeout=LOAD_S, return_when="FIRST_COMPLETED")
        assert self.worker.up, self.running
        return self.worker

    async def stop(self):
        self.worker.stop()
        return await asyncio.wait_for(self.running, LOAD_S)


@pytest.fixture
async def rig():
    made = RealRig()
    yield made
    if made.running is not None:
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)


async def test_tasks_are_served_and_the_log_replays(rig, small_bundle, tmp_path):
    worker = await rig.up_with(start(small_bundle, tmp_path))
    assert worker.table.bundle_hash == small_bundle.hash
    worker.handle(ev.EdgeJoined(time.monotonic_ns(), "robot"))
    for number in range(6):
        worker.receive(task(number), jpeg() if number else b"no image", "")
    await until(lambda: sum(end is not None for *_, end in rig.front.messages) == 6)
    ends = {key: end for key, _, end in rig.front.messages if end is not None}
    assert ends["robot/t0"].message == "rejected"
    assert {ends[f"robot/t{number}"].message for number in range(1, 6)} == {"result"}
    await worker.fresh_metrics(10.0)
    assert worker.metrics.took["stage"].sum_ns > 0
    assert await rig.stop() == "it exited with code 0"
    assert {record["worker"] for record in rig.records} == {0}
    steps = list(replay(rig.records))
    assert len(steps) > 6 * 3
    assert [step for step in steps if not step.same] == []


async def test_a_worker_that_starts_again_measures_nothing(rig, small_bundle, tmp_path):
    worker = await rig.up_with(start(small_bundle, tmp_path))
    profile = worker.ready.profile
    os.kill(rig.process, signal.SIGKILL)
    assert await asyncio.wait_for(rig.running, LOAD_S) == "it was killed by SIGKILL"
    (tmp_path / "profile.json").unlink(missing_ok=True)
    worker = await rig.up_with(start(small_bundle, tmp_path, [profile]))
    assert worker.ready.profile == profile
    worker.receive(task(1), jpeg(), "")
    await until(lambda: any(end is not None for *_, end in rig.front.messages))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"bundle": "/no/such/bundle"}, "/no/such/bundle"),
        ({"device": "cuda:0"}, "devices: cuda:0: torch finds no GPU that it can use"),
    ],
)
async def test_what_cannot_be_used_is_one_sentence(rig, small_bundle, tmp_path, fields, sentence):
    message = replace(start(small_bundle, tmp_path), **fields)
    rig.running = asyncio.create_task(rig.worker.run(message))
    reason = await asyncio.wait_for(rig.running, LOAD_S)
    assert sentence in reason
    assert "\n" not in reason


async def test_it_ignores_the_signals_of_its_group(rig, small_bundle, tmp_path):
    worker = await rig.up_with(start(small_bundle, tmp_path))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(rig.process, number)
    worker.receive(task(1), jpeg(), "")
    await until(lambda: any(end is not None for *_, end in rig.front.messages))
