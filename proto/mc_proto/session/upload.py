"""A task on its way to the cloud, and the queue of those whose payload is not complete."""

from __future__ import annotations

import asyncio
import heapq

from mc_proto.v1 import cloud_pb2

CHUNK_BYTES = 32 * 1024
"""Small enough that a give-up stops an upload soon, large enough that most images need just one."""
SPARE = 16
"""Ended uploads that the queue may hold beside those that still want bytes."""


class Upload:
    """An open task: the part of its payload that was sent, and what is known of its end."""

    __slots__ = (
        "accepted", "begun", "due_ns", "ended", "given_up", "grace", "payload", "queued_ns",
        "request", "sent_bytes", "task_id",
    )  # fmt: skip

    def __init__(self, opened: cloud_pb2.SessionRequest.Open, payload: bytes, now_ns: int) -> None:
        self.task_id = opened.task_id
        self.request = cloud_pb2.SessionRequest(open=opened)
        self.payload = payload
        self.queued_ns, self.due_ns = now_ns, now_ns + opened.budget_ns
        self.sent_bytes = 0
        self.begun = self.accepted = self.given_up = self.ended = False
        self.grace: asyncio.TimerHandle | None = None

    @property
    def is_complete(self) -> bool:
        """True if the whole payload was sent."""
        return self.sent_bytes == len(self.payload)

    @property
    def wants_bytes(self) -> bool:
        """True if the rest of the payload is to be sent."""
        return not (self.given_up or self.ended)

    def __lt__(self, other: Upload) -> bool:
        return self.due_ns < other.due_ns

    def next_message(self, now_ns: int) -> cloud_pb2.SessionRequest:
        """Return the message with the next part of the payload, which counts as sent."""
        part = self.payload[self.sent_bytes : self.sent_bytes + CHUNK_BYTES]
        self.sent_bytes += len(part)
        if self.begun:
            chunk = cloud_pb2.SessionRequest.Chunk(task_id=self.task_id, data=part)
            return cloud_pb2.SessionRequest(chunk=chunk)
        self.begun = True
        waited_ns, opened = now_ns - self.queued_ns, self.request.open
        opened.budget_ns -= waited_ns
        if opened.HasField("reply_in_ns"):
            opened.reply_in_ns = max(0, opened.reply_in_ns - waited_ns)
        opened.head = part
        return self.request

    def end(self) -> None:
        """Send no more, and keep nothing alive."""
        self.ended = True
        if self.grace is not None:
            self.grace.cancel()


class UploadQueue:
    """Uploads whose payload is not complete, the one that is due first in front."""

    def __init__(self) -> None:
        self._heap: list[Upload] = []
        self._filled = asyncio.Event()

    def put(self, upload: Upload) -> None:
        """Add an upload."""
        heapq.heappush(self._heap, upload)
        self._filled.set()

    async def take(self) -> Upload:
        """Remove and return the first upload that wants bytes; wait until there is one."""
        while True:
            while self._heap:
                upload = heapq.heappop(self._heap)
                if upload.wants_bytes:
                    return upload
            self._filled.clear()
            await self._filled.wait()

    def tidy(self, open_tasks: int) -> None:
        """Drop ended uploads, so that a connection that takes no bytes does not keep them."""
        if len(self._heap) > 2 * open_tasks + SPARE:
            self._heap = [upload for upload in self._heap if upload.wants_bytes]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)
