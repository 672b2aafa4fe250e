"""Sends tasks to an edge agent, over streams that respect its credits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from mc_proto.channel import connect
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched.bench.load.plan import Phase
from mc_sched.bench.load.tally import LoadTally
from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.task_stream import RETURN_NS


class EdgeTarget:
    """A number of clients of one edge agent."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []

    async def open(self, phase: Phase, images: list[bytes]) -> None:
        """Open the streams, and wait for their first credits."""
        self._streams = [_Stream(phase, images, number) for number in range(phase.edges)]
        await asyncio.wait_for(asyncio.gather(*(s.ready.wait() for s in self._streams)), 30)

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        """Send an image in one of the streams if that has a credit."""
        self._streams[number % len(self._streams)].send(number, due_s, tally)

    async def close(self) -> None:
        """End the streams."""
        for stream in self._streams:
            await stream.close()


class _Stream:
    """One Stream call."""

    def __init__(self, phase: Phase, images: list[bytes], number: int) -> None:
        self._phase, self._images, self._name = phase, images, f"load-{number}"
        self._loop = asyncio.get_running_loop()
        self._opened_s = self._loop.time()
        self._credits = 0
        self._open: dict[str, tuple[float, float, LoadTally]] = {}
        """Moments when a task was due and when it was sent, and where it is counted."""
        self._returns = SlidingMin(RETURN_NS)
        """Recent times that outcomes took to return, negated."""
        self._queue: asyncio.Queue[tuple[str, int, float] | None] = asyncio.Queue()
        self.ready = asyncio.Event()
        """Set once the agent has given credits."""
        self._channel = connect(phase.address)
        self._reader = asyncio.create_task(self._read())

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        if len(self._open) >= self._credits:
            tally.refused += 1
            tally.unsent += 1
            return
        task_id = f"{self._name}-{number}-{self._phase.seed}"
        self._open[task_id] = due_s, self._loop.time(), tally
        self._queue.put_nowait((task_id, number, due_s))

    async def _requests(self) -> AsyncIterator[edge_pb2.Task]:
        while (item := await self._queue.get()) is not None:
            task_id, number, due_s = item
            now_s = self._open[task_id][1]
            left_ns = self._phase.deadline_ns - int((now_s - due_s) * 1e9)
            yield edge_pb2.Task(
                task_id=task_id,
                stream_id=self._name,
                image=self._images[number % len(self._images)],
                deadline_ns=max(1, left_ns),
                accuracy=self._phase.accuracy,
                sent_ns=max(1, int((now_s - self._opened_s) * 1e9)),
                return_ns=max(0, -int(self._returns.least(int(now_s * 1e9), 0))),
            )

    async def _read(self) -> None:
        stub: Any = edge_pb2_grpc.EdgeAgentStub(self._channel)
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for reply in stub.Stream(self._requests()):
                now_s = self._loop.time()
                if reply.HasField("credits"):
                    self._credits = reply.credits
                    self.ready.set()
                for outcome in reply.outcomes:
                    due_s, sent_s, tally = self._open.pop(outcome.task_id)
                    if outcome.HasField("prediction"):
                        return_ns = int((now_s - sent_s) * 1e9) - outcome.latency_ns
                        self._returns.add(int(now_s * 1e9), -return_ns)
                    _count(outcome, now_s - due_s, tally)

    async def close(self) -> None:
        self._queue.put_nowait(None)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._channel.close(None)


def _count(outcome: edge_pb2.Outcome, took_s: float, tally: LoadTally) -> None:
    if outcome.kind == "refused":
        tally.refused += 1
    elif outcome.kind == "failed":
        tally.failed += 1
    elif outcome.kind == "succeeded":
        tally.answered(took_s, f"{outcome.site}:{outcome.exit}", claims_in_time=True)
    else:
        tally.late += 1
