"""Tasks that a benchmark sends straight to a cloud agent, as an edge of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from mc_proto.session import ENDS, CloudConnections, CloudSession, SessionEnded
from mc_proto.v1 import cloud_pb2, common_pb2

PATIENCE_S = 10.0
Message = cloud_pb2.SessionReply.TaskMessage


class CloudTasks:
    """A session whose tasks want the last exit; an async context manager.

    Its edge waits for each task, and does not keep to its credits.
    """

    def __init__(self, address: str, edge_id: str) -> None:
        self._address, self._edge_id = address, edge_id
        self._waiting: dict[str, asyncio.Queue[tuple[str, Any]]] = {}
        self.draining = False
        """True once the cloud agent has reported that it shuts down."""

    async def __aenter__(self) -> CloudTasks:
        self._connections = CloudConnections(self._address)
        self.table = await self._connections.describe(PATIENCE_S)
        bundle_hash = self.table.bundle_hash
        self._session = CloudSession(self._connections, self._edge_id, bundle_hash, self)
        await self._session.open(PATIENCE_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._connections.close()

    def send(self, task_id: str, image: bytes, budget_ns: int) -> None:
        """Send an image that needs the last exit."""
        self._waiting[task_id] = asyncio.Queue()
        opened = cloud_pb2.SessionRequest.Open(
            task_id=task_id,
            codec="jpeg",
            payload_bytes=len(image),
            accuracy=self.table.exits[-1].accuracy["jpeg"],
            budget_ns=budget_ns,
            exit_rule=common_pb2.EXIT_RULE_EARLIEST,
        )
        self._session.send(opened, image)

    def give_up(self, task_id: str) -> None:
        """Give a task up."""
        self._session.give_up(task_id)

    async def next_message(self, task_id: str) -> tuple[str, Any]:
        """Return the kind and the content of the next message about a task.

        The kind of a task that is lost is "lost", and its content is the reason.
        """
        kind, content = await self._waiting[task_id].get()
        if kind in (*ENDS, "lost"):
            del self._waiting[task_id]
        return kind, content

    async def end(self, task_id: str) -> str:
        """Return the kind of the message that ends a task."""
        while True:
            kind, _ = await self.next_message(task_id)
            if kind in (*ENDS, "lost"):
                return kind

    # --- the session's listener -------------------------------------------------------------

    def on_message(self, message: Message, kind: str) -> None:
        """Keep a message for `next_message`."""
        self._waiting[message.task_id].put_nowait((kind, getattr(message, kind)))

    def on_lost(self, task_id: str, reason: str) -> None:
        """Keep the end of a task for `next_message`."""
        self._waiting[task_id].put_nowait(("lost", reason))

    def on_credits(self, count: int) -> None:
        """Do nothing: the benchmarks have one task open at a time."""

    def on_load(self, load: cloud_pb2.SessionReply.Load) -> None:
        """Note whether the cloud agent is shutting down."""
        self.draining = load.draining

    def on_ended(self, end: SessionEnded) -> None:
        """Do nothing: each open task is lost."""
