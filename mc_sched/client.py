"""A client of an edge agent: single images, or streams of them with open-loop arrivals.

All tasks go over one long-lived stream (`task_stream.py`), which is opened when it is first needed.
A task is sent only if the agent has granted a credit for it. Without one, the caller chooses: a
patient task waits, another one is refused at once, which costs the agent nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.channel import connect
from mc_proto.tls import Identity
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched.core.task import RefusalCode
from mc_sched.errors import ConnectError, UserError
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.wire import query_to_wire
from mc_sched.task_stream import (
    CONNECT_TIMEOUT_S,
    LONGEST_TASK_S,
    Answer,
    Constraints,
    TaskStream,
    answer_of,
    lost,
    task_message,
    without_credit,
)

__all__ = ["Answer", "Constraints", "EdgeClient", "logs_of"]

RETRY_S = 0.5


class EdgeClient:
    """Client of one edge agent, over mutual TLS with an `identity`; an async context manager."""

    def __init__(self, address: str, identity: Identity | None = None) -> None:
        self._address = address
        self._identity = identity
        self._tasks: TaskStream | None = None
        self._connecting = asyncio.Lock()
        self.lost_reason = ""
        """Reason why the last stream ended before all answers had come; "" if it did not."""

    async def __aenter__(self) -> EdgeClient:
        self._channel = connect(self._address, self._identity)
        self._stub: Any = edge_pb2_grpc.EdgeAgentStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            await self._tasks.close()
        await self._channel.close(None)

    async def status(self) -> edge_pb2.StatusReply:
        """Return the agent's status. Raises ConnectError if no agent answers."""
        try:
            request = edge_pb2.StatusRequest()
            reply: edge_pb2.StatusReply = await self._stub.Status(
                request, timeout=CONNECT_TIMEOUT_S, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            raise _no_agent(self._address, error) from None
        return reply

    async def tasks(self) -> TaskStream:
        """Return the open stream; open one if there is none. Raises ConnectError."""
        async with self._connecting:
            if self._tasks is None or self._tasks.lost_reason:
                tasks = TaskStream(self._stub, self._address)
                await tasks.connect(CONNECT_TIMEOUT_S)
                self._tasks = tasks
        return self._tasks

    async def submit(
        self, image: bytes, constraints: Constraints, task_id: str = "", *, patient: bool = True
    ) -> Answer:
        """Submit one image and wait for its outcome.

        Without a credit a `patient` task waits for one, another is refused. Raises ValueError for
        invalid input, ConnectError if the agent cannot be reached or is lost.
        """
        due_ns = time.monotonic_ns()
        serde.check_image(image)
        tasks = await self.tasks()
        task_id = task_id or tasks.new_id()
        if patient:
            await tasks.credit()
        elif not tasks.has_credit:
            return without_credit(task_id, constraints)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answer: Answer) -> None:
            if not waiting.done():
                waiting.set_result(answer)

        await tasks.send(task_id, image, constraints, due_ns, done)
        answer = await waiting
        if answer.error:
            raise ValueError(answer.error)
        if tasks.lost_reason and answer.outcome.reason == tasks.lost_reason:
            raise ConnectError(f"{self._address}: {tasks.lost_reason}")
        return answer

    async def stream(
        self,
        frames: Sequence[tuple[str, bytes]],
        due_s: Sequence[float],
        constraints: Constraints,
        reconnect_s: float = 0.0,
        *,
        patient: bool = False,
    ) -> AsyncIterator[Answer]:
        """Send each (task id, image) at its time and yield the answers as they come.

        Times are seconds from the moment when the agent is reached, and arrivals are open loop: no
        frame waits for another's outcome. A frame without a credit is refused here; if `patient`,
        it and the following ones wait. If the agent fails, every frame without an outcome ends as
        `failed`. With `reconnect_s`, that holds only for the frames that were sent; the others are
        sent once the agent is back within that time. A frame that every agent would reject is not
        sent.
        """
        self.lost_reason = ""
        invalid = dict(_invalid_frames(frames, constraints))
        for answer in invalid.values():
            yield answer
        moments = zip(frames, due_s, strict=True)
        left = deque(_Frame(*frame, at_s) for frame, at_s in moments if frame[0] not in invalid)
        run = _Run(self, left, constraints, reconnect_s, patient=patient)
        pump = asyncio.create_task(run.pump())
        pump.add_done_callback(lambda _: run.answers.put_nowait(None))
        try:
            while (answered := await run.answers.get()) is not None:
                yield answered
            await pump
        finally:
            pump.cancel()

    async def is_back(self, patience_s: float) -> bool:
        """Return True once an agent answers and takes new tasks, False after `patience_s`."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + patience_s
        while loop.time() < end_s:
            with contextlib.suppress(grpc.aio.AioRpcError):
                reply = await self._stub.Status(edge_pb2.StatusRequest(), timeout=RETRY_S)
                if not reply.draining:
                    return True
            await asyncio.sleep(RETRY_S)
        return False

    async def feedback(self, task_id: str) -> Answer:
        """Run the image of a finished task again, at a QoR one step higher.

        Raises UserError if the agent no longer has the image, ConnectError if no agent answers.
        """
        request = edge_pb2.FeedbackRequest(task_id=task_id)
        try:
            return answer_of(await self._stub.Feedback(request, timeout=LONGEST_TASK_S))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise UserError(error.details() or "no such task") from None
            raise ConnectError(f"{self._address}: {error.details()}") from None

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the agent's log records as they are written."""
        async for event in self._stub.Watch(edge_pb2.WatchRequest()):
            record: dict[str, Any] = json.loads(event.json)
            yield record

    async def logs(self, query: Query, limit: int, follow: bool) -> AsyncIterator[str]:
        """Yield lines of the agent's log store.

        Raises UserError if it has no store, ConnectError if no agent answers.
        """
        request = query_to_wire(query, limit, follow)
        try:
            async for event in self._stub.Logs(request):
                yield event.json
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise _no_agent(self._address, error) from None
            raise UserError(f"{self._address}: {error.details()}") from None


def logs_of(address: str, query: Query, limit: int, follow: bool) -> Iterator[str]:
    """Yield the lines of `EdgeClient.logs`, for a program without an event loop."""
    loop = asyncio.new_event_loop()
    client = EdgeClient(address)
    try:
        loop.run_until_complete(client.__aenter__())
        loop.run_until_complete(client.status())
        lines = client.logs(query, limit, follow)
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield loop.run_until_complete(lines.__anext__())
    finally:
        loop.run_until_complete(client.__aexit__())
        loop.close()


def _no_agent(address: str, error: grpc.aio.AioRpcError) -> ConnectError:
    return ConnectError(
        f"no edge agent answers at {address} ({error.code().name.lower()}); "
        "start mc-edge-agent at that address or name another one with --edge"
    )


@dataclass(frozen=True)
class _Frame:
    """A frame and the time at which it is due, in seconds from the start of its stream."""

    task_id: str
    image: bytes
    at_s: float


class _Run:
    """One run of frames over the client's stream, and over the next one if the agent restarts."""

    def __init__(
        self,
        client: EdgeClient,
        left: deque[_Frame],
        constraints: Constraints,
        reconnect_s: float,
        *,
        patient: bool,
    ) -> None:
        self.answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        """Answers as they come; None behind the last one."""
        self._client, self._left, self._constraints = client, left, constraints
        self._reconnect_s, self._patient = reconnect_s, patient
        self._open = 0
        self._start_ns: int | None = None
        """Moment from which the frames' times count; None until the agent is reached."""
        self._wake = asyncio.Event()
        self._refused = False
        """True once a draining agent has refused a frame, which is sent again later."""

    async def pump(self) -> None:
        """Send all frames at their times, and see to it that each has an answer."""
        while self._left or self._open:
            try:
                reason = await self._send_all(await self._client.tasks())
            except ConnectError as error:
                reason = str(error)
            self._client.lost_reason = reason
            if self._left and not await self._client.is_back(self._reconnect_s):
                while self._left:
                    frame = self._left.popleft()
                    self.answers.put_nowait(lost(frame.task_id, self._constraints, reason))

    async def _send_all(self, tasks: TaskStream) -> str:
        """Send frames until all are answered or the agent leaves; return why it has left."""
        loop = asyncio.get_running_loop()
        self._refused = False
        tasks.on_lost.append(self._wake.set)
        if self._start_ns is None:
            self._start_ns = time.monotonic_ns()
        while not tasks.lost_reason and not self._refused and (self._left or self._open):
            self._wake.clear()
            if not self._left:
                await self._wake.wait()
                continue
            due_ns = self._start_ns + int(self._left[0].at_s * 1e9)
            wait_s = (due_ns - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                timer = loop.call_later(wait_s, self._wake.set)
                await self._wake.wait()
                timer.cancel()
            else:
                await self._send(tasks, self._left.popleft(), due_ns)
        if not self._refused:
            return tasks.lost_reason
        while self._open and not tasks.lost_reason:  # the agent still ends what it has taken
            self._wake.clear()
            await self._wake.wait()
        await tasks.close()
        return "the edge agent is shutting down"

    async def _send(self, tasks: TaskStream, frame: _Frame, due_ns: int) -> None:
        if self._patient:
            await tasks.credit()
        elif not tasks.has_credit:
            self.answers.put_nowait(without_credit(frame.task_id, self._constraints))
            return
        self._open += 1

        def done(answer: Answer) -> None:
            self._open -= 1
            if self._reconnect_s and answer.outcome.refusal is RefusalCode.DRAINING:
                self._left.appendleft(frame)
                self._refused = True
            else:
                self.answers.put_nowait(answer)
            self._wake.set()

        await tasks.send(frame.task_id, frame.image, self._constraints, due_ns, done)


def _invalid_frames(
    frames: Sequence[tuple[str, bytes]], constraints: Constraints
) -> Iterator[tuple[str, Answer]]:
    """Yield the task id of each frame that every agent would reject, with its answer."""
    for task_id, image in frames:
        try:
            serde.check_image(image)
        except serde.BadField as error:
            message = task_message(b"", constraints, task_id)
            yield task_id, answer_of(serde.bad_input_to_wire(message, task_id, error))
