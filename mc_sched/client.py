"""A client of an edge agent: one image, or a stream of them with open-loop arrivals."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.channel import connect
from mc_proto.tls import Identity
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched.core.task import MAX_DEADLINE_NS, Outcome, OutcomeKind, RefusalCode
from mc_sched.errors import ConnectError, UserError
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.wire import query_to_wire

CONNECT_TIMEOUT_S = 5.0
RETRY_S = 0.5
GRACE_S = 10.0
"""A running agent has sent every outcome this long after the last deadline."""
LONGEST_TASK_S = MAX_DEADLINE_NS / 1e9 + GRACE_S


@dataclass(frozen=True)
class Constraints:
    """Constraints of every frame of a stream; empty or None for the agent's setting."""

    deadline_ns: int
    accuracy: float | None = None
    mode: str = ""
    policy: str = ""
    privacy: str = ""
    stream_id: str = ""


@dataclass(frozen=True)
class Answer:
    """Outcome of a frame, with the top-5 labels; `error` is set if the input was invalid."""

    outcome: Outcome
    labels: tuple[str, ...] = ()
    error: str = ""


class EdgeClient:
    """Client of one edge agent, over mutual TLS with an `identity`; an async context manager."""

    def __init__(self, address: str, identity: Identity | None = None) -> None:
        self._address = address
        self._identity = identity
        self.lost_reason = ""
        """Reason why the last stream ended before all answers had come; "" if it did not."""

    async def __aenter__(self) -> EdgeClient:
        self._channel = connect(self._address, self._identity)
        self._stub: Any = edge_pb2_grpc.EdgeAgentStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
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

    async def submit(self, image: bytes, constraints: Constraints, task_id: str = "") -> Answer:
        """Submit one image and wait for its outcome. Raises ValueError for invalid input."""
        serde.check_image(image)
        try:
            message = _message(image, constraints, task_id)
            timeout_s = constraints.deadline_ns / 1e9 + GRACE_S
            return _answer(await self._stub.Submit(message, timeout=timeout_s))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise ValueError(error.details()) from None
            raise ConnectError(f"{self._address}: {error.details()}") from None

    async def stream(
        self,
        frames: Sequence[tuple[str, bytes]],
        due_s: Sequence[float],
        constraints: Constraints,
        reconnect_s: float = 0.0,
    ) -> AsyncIterator[Answer]:
        """Send each (task id, image) at its time and yield the answers as they come.

        Times are seconds from now, and arrivals are open loop: no frame waits for another's
        outcome. If the agent fails, every frame without an outcome ends as `failed`. With
        `reconnect_s`, that holds only for the frames that were sent; the others are sent once the
        agent is back within that time. A frame that every agent would reject is not sent, as it
        could end the call for all frames.
        """
        invalid = dict(_invalid_frames(frames, constraints))
        for answer in invalid.values():
            yield answer
        start_s = asyncio.get_running_loop().time()
        moments = zip(frames, due_s, strict=True)
        left = deque(
            _Frame(*frame, start_s + at_s) for frame, at_s in moments if frame[0] not in invalid
        )
        while left:
            call = _StreamCall(self._stub, left, constraints, retry=reconnect_s > 0)
            async for answer in call.answers():
                yield answer
            self.lost_reason = call.lost_reason
            if left and not await self._is_back(reconnect_s):
                for frame in left:
                    yield _lost(frame, constraints, call.lost_reason)
                return

    async def _is_back(self, patience_s: float) -> bool:
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
            return _answer(await self._stub.Feedback(request, timeout=LONGEST_TASK_S))
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
    """A frame and the time at which it is sent, on the loop's clock."""

    task_id: str
    image: bytes
    at_s: float


class _StreamCall:
    """One Stream call: sends the frames of `left` at their times until the call ends."""

    def __init__(
        self, stub: Any, left: deque[_Frame], constraints: Constraints, *, retry: bool
    ) -> None:
        """If `retry`, end the call and put the frame back when a draining agent refuses one."""
        self._stub = stub
        self._left = left
        self._constraints = constraints
        self._retry = retry
        self._sent: dict[str, _Frame] = {}
        self._over = False
        """True once nothing more is sent in this call."""
        self.lost_reason = ""
        """Reason why the call ended before all answers had come; "" if it did not."""

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield the answer to each sent frame as it comes."""
        reason = "the edge agent ended the stream"
        loop = asyncio.get_running_loop()
        last_s = max(0.0, self._left[-1].at_s - loop.time())
        patience_s = last_s + self._constraints.deadline_ns / 1e9 + GRACE_S
        try:
            async for message in self._stub.Stream(self._requests(), timeout=patience_s):
                frame = self._sent.pop(message.task_id, None)
                if self._retry and frame and message.refusal == RefusalCode.DRAINING:
                    self._left.appendleft(frame)
                    self._over = True
                else:
                    yield _answer(message)
        except grpc.aio.AioRpcError as error:
            reason = f"the edge agent was lost: {error.details() or error.code().name.lower()}"
        self._over = True
        self.lost_reason = reason if self._sent or self._left else ""
        for frame in self._sent.values():
            yield _lost(frame, self._constraints, reason)

    async def _requests(self) -> AsyncIterator[edge_pb2.Task]:
        loop = asyncio.get_running_loop()
        while self._left:
            await asyncio.sleep(max(0.0, self._left[0].at_s - loop.time()))
            if self._over:
                return
            frame = self._left.popleft()
            self._sent[frame.task_id] = frame
            yield _message(frame.image, self._constraints, frame.task_id)


def _lost(frame: _Frame, constraints: Constraints, reason: str) -> Answer:
    kind = OutcomeKind.FAILED
    return Answer(Outcome(frame.task_id, constraints.stream_id, kind, 0, reason=reason))


def _message(image: bytes, constraints: Constraints, task_id: str) -> edge_pb2.Task:
    return edge_pb2.Task(
        task_id=task_id,
        stream_id=constraints.stream_id,
        image=image,
        deadline_ns=constraints.deadline_ns,
        accuracy=constraints.accuracy,
        mode=constraints.mode,
        policy=constraints.policy,
        privacy=constraints.privacy,
    )


def _invalid_frames(
    frames: Sequence[tuple[str, bytes]], constraints: Constraints
) -> Iterator[tuple[str, Answer]]:
    """Yield the task id of each frame that every agent would reject, with its answer."""
    for task_id, image in frames:
        try:
            serde.check_image(image)
        except serde.BadField as error:
            message = _message(b"", constraints, task_id)
            yield task_id, _answer(serde.bad_input_to_wire(message, task_id, error))


def _answer(message: edge_pb2.Outcome) -> Answer:
    outcome = serde.outcome_from_wire(message)
    labels = tuple(label.name for label in message.prediction.top)
    if message.error:
        outcome = replace(outcome, reason=message.error)
    return Answer(outcome, labels, message.error)
