"""Parts of a cloud agent, with a network of plain functions that a test can hold up."""

import asyncio
import threading
import time

import torch

from mc_sched.core.tables import CloudTable, Codec, Exit

MS = 1_000_000
S = 1_000 * MS
PATIENCE_S = 10.0
"""Longest wait of a test for an event; far more than any machine needs."""
TABLE = CloudTable(
    "cloud",
    stage_ns=(MS, MS, MS),
    exits=tuple(
        Exit(name, stage, MS, {"jpeg": accuracy} | ({"features": accuracy} if stage else {}))
        for stage, (name, accuracy) in enumerate([("exit1", 0.6), ("exit2", 0.8), ("final", 0.9)])
    ),
    bundle_hash="the bundle",
    codecs=(Codec("jpeg"), Codec("features", 1, MS, 6)),
)
LABELS = ("disc", "star", "ring", "cross", "bar", "heart")
LOGITS = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0]])


async def until(condition):
    """Wait until the condition is true."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < PATIENCE_S, "it never came true"
        await asyncio.sleep(0.002)


class Net:
    """Three stages and three heads that record their runs; a test can hold a stage up."""

    def __init__(self):
        self.ran = []
        self._gates = {}

    def hold_up(self, stage):
        """Make this stage wait in its middle until `let_go`."""
        self._gates[stage] = (threading.Event(), threading.Event())

    def let_go(self, stage):
        self._gates.pop(stage)[1].set()

    def is_in(self, stage):
        """Return True while the stage waits there."""
        return stage in self._gates and self._gates[stage][0].is_set()

    def stage(self, number):
        def run(x):
            self.ran.append(f"stage{number}")
            if number in self._gates:
                reached, go_on = self._gates[number]
                reached.set()
                assert go_on.wait(PATIENCE_S)
            return x

        return run

    def head(self, name):
        def run(x):
            self.ran.append(name)
            return x

        return run

    @property
    def stages(self):
        return [self.stage(number) for number in range(len(TABLE.stage_ns))]

    @property
    def heads(self):
        return {e.name: self.head(e.name) for e in TABLE.exits}


class HandStages:
    """Replaces the executor: records the inputs held and the pieces requested."""

    def __init__(self):
        self.held, self.requested = {}, []

    def hold(self, task_id, x):
        self.held[task_id] = x

    def drop(self, task_id):
        self.held.pop(task_id, None)

    def run_stage(self, task_ids, stage):
        self.requested.append((*task_ids, stage))

    def run_head(self, task_ids, exit_name):
        self.requested.extend((task_id, exit_name) for task_id in task_ids)


class HandDecoder:
    """Replaces the decoder: records the payloads held and the decodings begun."""

    def __init__(self):
        self.held, self.begun = {}, []

    def hold(self, task_id, payload):
        self.held[task_id] = payload

    def drop(self, task_id):
        self.held.pop(task_id, None)

    def decode(self, task_id, codec):
        self.begun.append((task_id, codec))
