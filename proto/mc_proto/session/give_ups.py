"""Give-ups on their way to the cloud, beside the session, so that they overtake its bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import grpc

from mc_proto.session.connections import CloudConnections
from mc_proto.v1 import cloud_pb2

GRACE_S = 1.0
"""Time the cloud has to confirm a give-up; then the task ends here, and the session continues."""
CALL_S = 5.0
"""Longest time of a call: a cloud agent that is slow to take give-ups needs them most."""
AGAIN_S = 0.05
"""Pause before a give-up is repeated that failed, or that has overtaken the bytes of its task."""
AT_ONCE = 16
"""Calls in flight; the cloud agent limits those of a client."""


class GiveUps:
    """Sends a GiveUp per task, and repeats it until the cloud knows the task or it has ended."""

    def __init__(
        self, connections: CloudConnections, edge_id: str, is_open: Callable[[str], bool]
    ) -> None:
        """`is_open` returns True while the session waits for the end of a task."""
        self._connections, self._edge_id, self._is_open = connections, edge_id, is_open
        self._waiting: deque[str] = deque()
        self._senders: set[asyncio.Task[None]] = set()

    def send(self, task_id: str) -> None:
        """Send the give-up of a task in the background."""
        self._waiting.append(task_id)
        if len(self._senders) < AT_ONCE:
            sender = asyncio.create_task(self._send_all())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def close(self) -> None:
        """Send no more."""
        self._waiting.clear()
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_all(self) -> None:
        while self._waiting:
            task_id = self._waiting.popleft()
            request = cloud_pb2.GiveUpRequest(task_id=task_id, edge_id=self._edge_id)
            known = False
            with contextlib.suppress(grpc.aio.AioRpcError):
                known = await self._connections.give_up(request, CALL_S)
            if not known:
                asyncio.get_running_loop().call_later(AGAIN_S, self._repeat, task_id)

    def _repeat(self, task_id: str) -> None:
        if self._is_open(task_id):
            self.send(task_id)
