"""One edge's session with a cloud agent: tasks out over one stream, messages about them in.

    send -> [uploads, the one due first in front] -> writer -> stream -> reader -> listener

A payload travels in chunks. The writer sends one message at a time, and picks the upload that is
due first before each. So an urgent task waits for one chunk of another payload at most, and an
upload that was given up stops at its next chunk. Each task ends once: by a message of the cloud, by
one that the session makes after a give-up, or as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Protocol

import grpc

from mc_proto.session.connections import CloudConnections
from mc_proto.session.give_ups import GRACE_S, GiveUps
from mc_proto.session.upload import Upload, UploadQueue
from mc_proto.v1 import cloud_pb2
from mc_sched.errors import sentence

ENDS = ("result", "refused", "stopped", "rejected")
"""Messages that end a task."""
REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED,
)  # fmt: skip
"""Statuses with which a cloud agent ends a session, with a sentence for people."""
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]

Open = cloud_pb2.SessionRequest.Open
TaskMessage = cloud_pb2.SessionReply.TaskMessage
Load = cloud_pb2.SessionReply.Load


class Listener(Protocol):
    """Receives all that happens in a session, on the session's loop."""

    def on_message(self, message: TaskMessage, kind: str) -> None:
        """Take a message about an open task; `kind` is the name of the field that is set."""

    def on_lost(self, task_id: str, reason: str) -> None:
        """Take the end of a task about which no message will come any more."""

    def on_credits(self, count: int) -> None:
        """Take the number of tasks that may be open from now on."""

    def on_load(self, load: Load) -> None:
        """Take the load of the cloud agent."""

    def on_ended(self, end: SessionEnded) -> None:
        """Take the end of a session that was open; `on_lost` follows for each open task."""


class SessionEnded(Exception):
    """End of a session: the reason as a sentence, and the status of its call if that has one."""

    def __init__(self, reason: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(reason)
        self.code = code


class CloudSession:
    """A session, from `open` to its end on either side; the next one is a new object."""

    def __init__(
        self, connections: CloudConnections, edge_id: str, bundle_hash: str, listener: Listener
    ) -> None:
        self._connections, self._listener = connections, listener
        self._edge_id, self._bundle_hash = edge_id, bundle_hash
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[str, Upload] = {}
        self._queue = UploadQueue()
        self._give_ups = GiveUps(connections, edge_id, self._tasks.__contains__)
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._jobs: list[asyncio.Task[None]] = []
        self._call: Any = None
        self._hello_ns = 0
        self._writing_since_ns = 0
        self.ended: SessionEnded | None = None
        """The end of the session; None while it can be used."""

    async def open(self, timeout_s: float) -> None:
        """Open the session and wait for the first credits; SessionEnded if that fails."""
        self._call = self._connections.start_session()
        self._jobs = [asyncio.create_task(work) for work in (self._read(), self._write())]
        try:
            await asyncio.wait_for(asyncio.shield(self._opened), timeout_s)
        except asyncio.TimeoutError:
            self._end(SessionEnded(f"the cloud agent gave no credits within {timeout_s:g} s"))
            await self._opened
        except asyncio.CancelledError:
            self._end(SessionEnded("the session was closed"))
            raise
        if self.ended is not None:
            raise self.ended

    async def close(self, reason: str = "the session was closed") -> None:
        """End the session; open tasks are lost for this reason."""
        self._end(SessionEnded(reason))
        await self._give_ups.close()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    @property
    def open_tasks(self) -> int:
        """Number of tasks that have not ended."""
        return len(self._tasks)

    def stalled_ns(self, now_ns: int) -> int:
        """Return for how long the connection has not taken the message that is being sent."""
        return now_ns - self._writing_since_ns if self._writing_since_ns else 0

    # --- tasks ------------------------------------------------------------------------------

    def send(self, opened: Open, payload: bytes) -> None:
        """Send a task; the session fills the head of its first message, and sends the rest.

        The time that the task waits in the session is subtracted from its budget. Raises
        ValueError if a task of the same id is open.
        """
        task_id = opened.task_id
        if task_id in self._tasks:
            raise ValueError(f"task {task_id} is open already")
        if self.ended is not None:
            self._loop.call_soon(self._listener.on_lost, task_id, str(self.ended))
            return
        upload = self._tasks[task_id] = Upload(opened, payload, time.monotonic_ns())
        self._queue.put(upload)

    def give_up(self, task_id: str) -> None:
        """Stop the upload of a task, or tell the cloud to stop its work; its end follows."""
        upload = self._tasks.get(task_id)
        if upload is None or upload.given_up or self.ended is not None:
            return
        upload.given_up = True
        if upload.begun:
            reason = "the cloud did not confirm the give-up"
            upload.grace = self._loop.call_later(GRACE_S, self._stop, upload, reason)
            self._give_ups.send(task_id)
        else:
            self._loop.call_soon(self._stop, upload, "the upload was stopped")

    def _stop(self, upload: Upload, reason: str) -> None:
        """End a task here, unless it has ended meanwhile."""
        if not upload.ended:
            self._forget(upload)
            stopped = cloud_pb2.SessionReply.Stopped(reason=reason)
            message = TaskMessage(task_id=upload.task_id, stopped=stopped)
            self._listener.on_message(message, "stopped")

    def _forget(self, upload: Upload) -> None:
        upload.end()
        del self._tasks[upload.task_id]
        self._queue.tidy(len(self._tasks))

    # --- the writer -------------------------------------------------------------------------

    async def _write(self) -> None:
        """Send `hello`, then one message after another; the reader reports what fails."""
        hello = cloud_pb2.SessionRequest.Hello(edge_id=self._edge_id, bundle_hash=self._bundle_hash)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self._hello_ns = time.monotonic_ns()
            await self._call.write(cloud_pb2.SessionRequest(hello=hello))
            while True:
                await self._write_part(await self._queue.take())

    async def _write_part(self, upload: Upload) -> None:
        now_ns = time.monotonic_ns()
        if not upload.begun and upload.due_ns <= now_ns:
            self._stop(upload, "its time was over before it could be sent")
            return
        message = upload.next_message(now_ns)
        message.sent_ns = now_ns - self._hello_ns
        if not upload.is_complete:
            self._queue.put(upload)
        self._writing_since_ns = now_ns
        await self._call.write(message)
        self._writing_since_ns = 0

    # --- the reader -------------------------------------------------------------------------

    async def _read(self) -> None:
        end = SessionEnded("the cloud agent ended the session")
        try:
            while (reply := await self._call.read()) is not EOF:
                self._take(reply)
        except grpc.aio.AioRpcError as error:
            end = SessionEnded(_why(error), error.code())
        except Exception as error:
            end = SessionEnded(f"a message could not be processed: {sentence(error)}")
        self._end(end)

    def _take(self, reply: cloud_pb2.SessionReply) -> None:
        for message in reply.messages:
            upload = self._tasks.get(message.task_id)
            if upload is not None:
                self._take_message(upload, message)
        if reply.HasField("credits"):
            self._listener.on_credits(reply.credits)
            if not self._opened.done():
                self._opened.set_result(None)
        if reply.HasField("load"):
            self._listener.on_load(reply.load)

    def _take_message(self, upload: Upload, message: TaskMessage) -> None:
        kind = message.WhichOneof("message") or ""
        wrong = _order_error(upload, kind)
        if wrong:
            self._forget(upload)
            self._give_ups.send(upload.task_id)
            self._listener.on_lost(upload.task_id, wrong)
            return
        if kind in ENDS:
            self._forget(upload)
        upload.accepted = True
        self._listener.on_message(message, kind)

    # --- the end ----------------------------------------------------------------------------

    def _end(self, end: SessionEnded) -> None:
        """End the session once; every open task is lost."""
        if self.ended is not None:
            return
        self.ended = end
        if self._call is not None:
            self._call.cancel()
        for job in self._jobs:
            if job is not asyncio.current_task():
                job.cancel()
        if self._opened.done():
            self._listener.on_ended(end)
        else:
            self._opened.set_exception(end)
            self._opened.exception()  # nobody may be waiting for it
        for upload in list(self._tasks.values()):
            self._forget(upload)
            self._listener.on_lost(upload.task_id, str(end))


def _order_error(upload: Upload, kind: str) -> str:
    """Return why this message cannot come now, as a sentence; empty if it can."""
    if not kind:
        return "the cloud sent a message without content"
    if kind in ("accepted", "result") and not upload.is_complete:
        return f"the cloud sent `{kind}` before the payload was complete"
    if kind in ("progressed", "result") and not upload.accepted:
        return f"the cloud sent `{kind}` before `accepted`"
    if kind in ("accepted", "refused") and upload.accepted:
        return f"the cloud sent `{kind}` after `accepted`"
    return ""


def _why(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of the session's end as a sentence."""
    details = error.details() or error.code().name.lower()
    return details if error.code() in REFUSALS else f"the connection broke ({details})"
