"""One long-lived stream to an edge agent: tasks out, outcomes and credits in.

The client sends a task only with a credit. It stamps each task with the moment when it was due, and
measures its latency from that moment until the outcome has arrived. It sends the excess over the
agent's own figure along with later tasks, so that the agent can reserve time for it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.v1 import edge_pb2

from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.core.task import MAX_DEADLINE_NS, Outcome, OutcomeKind, RefusalCode
from mc_sched.errors import ConnectError

CONNECT_TIMEOUT_S = 5.0
GRACE_S = 10.0
"""A running agent has sent every outcome this long after the deadline."""
LONGEST_TASK_S = MAX_DEADLINE_NS / 1e9 + GRACE_S
"""Longest time until a running agent has sent the outcome of a task."""
RETURN_NS = 2_000_000_000
"""Time for which the measured return of an outcome counts."""
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Constraints:
    """Constraints of a task; empty or None for the agent's setting."""

    deadline_ns: int
    accuracy: float | None = None
    mode: str = ""
    policy: str = ""
    privacy: str = ""
    stream_id: str = ""


@dataclass(frozen=True)
class Answer:
    """Outcome of a task, with the top-5 labels; `error` is set if the input was invalid."""

    outcome: Outcome
    """The outcome as the client saw it.

    Its latency counts from the moment when the task was due until the outcome arrived. It is late
    if that is longer than the deadline.
    """
    labels: tuple[str, ...] = ()
    error: str = ""
    claimed: Outcome | None = None
    """The outcome as the agent reports it; None if it comes from the client alone."""


Done = Callable[[Answer], None]


class TaskStream:
    """A stream, from `connect` until it is closed or the agent is lost."""

    def __init__(self, stub: Any, address: str) -> None:
        self._stub, self._address = stub, address
        self._pending: dict[str, _Sent] = {}
        self._credits = 0
        self._may_send = asyncio.Event()
        self._writing = asyncio.Lock()
        self._returns = SlidingMin(RETURN_NS)
        """Recent times by which outcomes came later than they claim, negated."""
        self._run = secrets.token_hex(4)
        self._number = 0
        self.lost_reason = ""
        """Reason why the stream has ended; empty while it is open."""
        self.on_lost: list[Callable[[], None]] = []
        """Called once when the stream has ended, after its tasks have."""

    # --- the stream -------------------------------------------------------------------------

    async def connect(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Open the stream and wait for the first credits. Raises ConnectError."""
        self._call = self._stub.Stream()
        self._opened_ns = time.monotonic_ns() - 1
        self._reader = asyncio.create_task(self._read_all())
        waiting = asyncio.create_task(self._may_send.wait())
        await asyncio.wait({waiting, self._reader}, timeout=timeout_s,
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        waiting.cancel()
        if self.lost_reason or not self._credits:
            reason = self.lost_reason or f"no answer within {timeout_s:g} s"
            await self.close()
            raise ConnectError(f"{self._address}: {reason}")

    async def close(self) -> None:
        """End the stream; tasks that are still open end as failed."""
        self._lose("the stream was closed")
        self._call.cancel()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read_all(self) -> None:
        reason = "the edge agent ended the stream"
        try:
            while (reply := await self._call.read()) is not EOF:
                self._take(reply)
            status = await self._call.code()
            if status is not grpc.StatusCode.OK:
                reason = f"the edge agent was lost: {await self._call.details() or status.name}"
        except grpc.aio.AioRpcError as error:
            details = error.details() or error.code().name.lower()
            reason = f"the edge agent was lost: {details}"
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        """End every open task as failed."""
        if self.lost_reason:
            return
        self.lost_reason = reason
        self._may_send.set()
        pending, self._pending = self._pending, {}
        for task_id, sent in pending.items():
            sent.expiry.cancel()
            sent.done(lost(task_id, sent.constraints, reason, time.monotonic_ns() - sent.due_ns))
        for notify in self.on_lost:
            notify()

    # --- tasks ------------------------------------------------------------------------------

    @property
    def has_credit(self) -> bool:
        """True if a task may be sent now."""
        return len(self._pending) < self._credits

    async def credit(self) -> None:
        """Wait until a task may be sent, or the stream has ended."""
        while not self.lost_reason and not self.has_credit:
            self._may_send.clear()
            await self._may_send.wait()

    def new_id(self) -> str:
        """Return an id for a task that has none."""
        self._number += 1
        return f"{self._run}-{self._number}"

    async def send(
        self, task_id: str, image: bytes, constraints: Constraints, due_ns: int, done: Done
    ) -> None:
        """Send a task that was due at `due_ns`, on `time.monotonic_ns`; `done` gets its answer."""
        if task_id in self._pending:
            error = serde.BadField("task_id", f"{task_id!r} is the id of a task that is still open")
            message = task_message(b"", constraints, task_id)
            done(answer_of(serde.bad_input_to_wire(message, task_id, error)))
            return
        loop = asyncio.get_running_loop()
        patience_s = constraints.deadline_ns / 1e9 + GRACE_S
        expiry = loop.call_later(patience_s, self._expire, patience_s)
        self._pending[task_id] = _Sent(constraints, due_ns, done, expiry)
        message = task_message(image, constraints, task_id)
        message.sent_ns = max(1, due_ns - self._opened_ns)
        message.return_ns = max(0, -int(self._returns.least(time.monotonic_ns(), 0)))
        async with self._writing:
            try:
                if not self.lost_reason:
                    await self._call.write(message)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the reader learns the reason, and ends the task

    def _expire(self, patience_s: float) -> None:
        self._lose(f"the edge agent has sent no outcome within {patience_s:.0f} s")
        self._call.cancel()

    def _take(self, reply: edge_pb2.StreamReply) -> None:
        now_ns = time.monotonic_ns()
        if reply.HasField("credits"):
            self._credits = reply.credits
        for message in reply.outcomes:
            sent = self._pending.pop(message.task_id, None)
            if sent is None:
                continue
            sent.expiry.cancel()
            seen_ns = now_ns - sent.due_ns
            if message.HasField("prediction"):
                self._returns.add(now_ns, message.latency_ns - seen_ns)
            sent.done(answer_of(message, seen_ns, sent.constraints.deadline_ns))
        if self.has_credit:
            self._may_send.set()


@dataclass(frozen=True)
class _Sent:
    """A task without outcome."""

    constraints: Constraints
    due_ns: int
    done: Done
    expiry: asyncio.TimerHandle


def task_message(image: bytes, constraints: Constraints, task_id: str) -> edge_pb2.Task:
    """Return a task as it is sent."""
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


def answer_of(
    message: edge_pb2.Outcome, seen_ns: int | None = None, deadline_ns: int = MAX_DEADLINE_NS
) -> Answer:
    """Return an outcome of the agent that arrived `seen_ns` after the task was due.

    Without `seen_ns` it is taken as the agent reports it.
    """
    claimed = serde.outcome_from_wire(message)
    labels = tuple(label.name for label in message.prediction.top)
    if message.error:
        claimed = replace(claimed, reason=message.error)
    seen = claimed if seen_ns is None else _seen(claimed, seen_ns, deadline_ns)
    return Answer(seen, labels, message.error, claimed)


def _seen(claimed: Outcome, seen_ns: int, deadline_ns: int) -> Outcome:
    if claimed.kind is OutcomeKind.SUCCEEDED and seen_ns > deadline_ns:
        reason = "the outcome reached the client after the deadline"
        return replace(claimed, kind=OutcomeKind.LATE, latency_ns=seen_ns, reason=reason)
    return replace(claimed, latency_ns=seen_ns)


def lost(task_id: str, constraints: Constraints, reason: str, seen_ns: int = 0) -> Answer:
    """Return the answer to a task whose agent was lost."""
    failed = OutcomeKind.FAILED
    return Answer(Outcome(task_id, constraints.stream_id, failed, seen_ns, reason=reason))


def without_credit(task_id: str, constraints: Constraints) -> Answer:
    """Return the answer to a task that was not sent, because the agent has granted no credit."""
    outcome = Outcome(
        task_id,
        constraints.stream_id,
        OutcomeKind.REFUSED,
        0,
        reason="the agent has granted no credit for another task; it was not sent",
        refusal=RefusalCode.NO_CREDIT,
    )
    return Answer(outcome)
