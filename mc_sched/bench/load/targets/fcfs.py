"""Sends tasks to the first-come-first-served server, one call per task."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from mc_proto.channel import connect

from mc_sched.bench.load.plan import Phase
from mc_sched.bench.load.tally import LoadTally

METHOD = "/mc.bench.Fcfs/Classify"
GRACE_S = 1.0
"""Time after the deadline for which an answer is still awaited."""


class FcfsTarget:
    """A client of the first-come-first-served server."""

    def __init__(self) -> None:
        self._calls: set[asyncio.Task[None]] = set()

    async def open(self, phase: Phase, images: list[bytes]) -> None:
        """Connect."""
        self._phase, self._images = phase, images
        self._channels = [connect(phase.address) for _ in range(phase.edges)]
        self._classify: list[Any] = [
            channel.unary_unary(METHOD, None, None) for channel in self._channels
        ]
        for classify in self._classify:
            await classify(images[0], timeout=30, wait_for_ready=True)

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        """Send an image in a call of its own."""
        call = asyncio.create_task(self._call(number, due_s, tally))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, number: int, due_s: float, tally: LoadTally) -> None:
        classify = self._classify[number % len(self._classify)]
        image = self._images[number % len(self._images)]
        timeout_s = self._phase.deadline_ns / 1e9 + GRACE_S
        try:
            exit_ = await classify(image, timeout=timeout_s)
        except grpc.aio.AioRpcError:
            tally.late += 1
            return
        took_s = asyncio.get_running_loop().time() - due_s
        tally.answered(took_s, exit_.decode(), claims_in_time=took_s <= tally.deadline_s)

    async def close(self) -> None:
        """Disconnect."""
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for channel in self._channels:
            await channel.close(None)
