"""Sends tasks straight to a cloud agent, over sessions that respect its credits."""

from __future__ import annotations

import asyncio

from mc_proto import serde
from mc_proto.session import CloudConnections, CloudSession, SessionEnded
from mc_proto.v1 import cloud_pb2

from mc_sched.bench.load.plan import Phase
from mc_sched.bench.load.tally import LoadTally
from mc_sched.core.actions import SendToCloud
from mc_sched.core.task import ExitRule

OPEN_S = 30.0
DOWN_NS = 500_000
"""Forecast of the downlink time on a loopback."""


class CloudTarget:
    """A number of edges of one cloud agent."""

    def __init__(self) -> None:
        self._edges: list[_Edge] = []

    async def open(self, phase: Phase, images: list[bytes]) -> None:
        """Open the sessions, and wait for their first credits."""
        self._edges = [_Edge(phase, images, number) for number in range(phase.edges)]
        await asyncio.gather(*(edge.open() for edge in self._edges))

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        """Send an image in one of the sessions if that has a credit."""
        self._edges[number % len(self._edges)].send(number, due_s, tally)

    async def close(self) -> None:
        """End the sessions."""
        for edge in self._edges:
            await edge.close()


class _Edge:
    """One session; listens to itself."""

    def __init__(self, phase: Phase, images: list[bytes], number: int) -> None:
        self._phase, self._images, self._name = phase, images, f"load-{number}"
        self._loop = asyncio.get_running_loop()
        self._credits = 0
        self._open: dict[str, tuple[float, LoadTally]] = {}
        self._wanted = 0
        """Tasks that were not sent since the last one that was."""

    async def open(self) -> None:
        self._connections = CloudConnections(self._phase.address)
        described = await self._connections.describe(OPEN_S)
        self._session = CloudSession(self._connections, self._name, described.bundle_hash, self)
        await self._session.open(OPEN_S)

    async def close(self) -> None:
        await self._session.close()
        await self._connections.close()

    def send(self, number: int, due_s: float, tally: LoadTally) -> None:
        if len(self._open) >= self._credits:
            self._wanted += 1
            tally.refused += 1
            tally.unsent += 1
            return
        task_id = f"{number}-{self._phase.seed}"
        left_ns = self._phase.deadline_ns - int((self._loop.time() - due_s) * 1e9)
        action = SendToCloud(
            task_id, "jpeg", self._phase.accuracy, max(1, left_ns), DOWN_NS, ExitRule.ADAPTIVE,
            max(1, left_ns), self._wanted,
        )  # fmt: skip
        image = self._images[number % len(self._images)]
        self._open[task_id], self._wanted = (due_s, tally), 0
        self._session.send(serde.task_to_session(action, image), image)

    # --- what the session reports -----------------------------------------------------------

    def on_message(self, message: cloud_pb2.SessionReply.TaskMessage, kind: str) -> None:
        """Count the end of a task."""
        if kind in ("accepted", "progressed"):
            return
        due_s, tally = self._open.pop(message.task_id)
        if kind == "result":
            tally.answered(self._loop.time() - due_s, message.result.exit, claims_in_time=True)
        elif kind == "refused":
            tally.refused += 1
        elif kind == "stopped" and not message.stopped.failed:
            tally.late += 1
        else:
            tally.failed += 1

    def on_lost(self, task_id: str, reason: str) -> None:
        """Count a lost task."""
        _, tally = self._open.pop(task_id)
        tally.failed += 1

    def on_credits(self, count: int) -> None:
        """Take the number of tasks that may be open."""
        self._credits = count

    def on_load(self, load: cloud_pb2.SessionReply.Load) -> None:
        """Ignore the load: credits alone decide."""

    def on_ended(self, end: SessionEnded) -> None:
        """Send nothing more."""
        self._credits = 0
