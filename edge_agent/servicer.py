"""The EdgeAgent service: decode, call, encode."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.gate import client_of
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from edge_agent.admission import Admission, Overloaded
from edge_agent.driver import EdgeDriver
from edge_agent.traces import Traces, traceparent_of
from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Outcome, OutcomeKind
from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.store.live import DEFAULT_LINES, follow_store, stored_lines
from mc_sched.service.logger import about_task

WATCH_QUEUE = 1000
"""Log lines that a slow watcher may lag behind before lines are left out for it."""
Context = Any


@dataclass(frozen=True)
class Caller:
    """Who submits tasks, and to which trace they say that these belong."""

    client: str
    traceparent: str


def _caller(context: Context) -> Caller:
    return Caller(client_of(context), traceparent_of(context))


class EdgeServicer(edge_pb2_grpc.EdgeAgentServicer):
    """One per agent."""

    def __init__(
        self,
        driver: EdgeDriver,
        log: EventLog,
        admission: Admission,
        about: edge_pb2.StatusReply,
        made_bytes: Mapping[str, int] | None = None,
        tasks_per_client: int = 256,
        store: Path | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        """`made_bytes`: size of a payload by codec, of those that are made when they are sent.

        `store`: the agent's log store, if it has one. `logger` logs how tasks end.
        """
        self._logger = logger or logging.getLogger(__name__)
        self.store = store
        self._driver = driver
        self._log = log
        self._admission = admission
        self._about = about
        self._made_bytes = made_bytes or {}
        self.tasks = Quota(tasks_per_client, "tasks")
        self._labels: Sequence[str] = list(about.labels)
        self._traces = Traces(log)
        self._numbers = itertools.count(1)
        self._arriving: set[str] = set()
        """Ids of tasks whose image is being decoded."""
        self._started_ns = time.monotonic_ns()

    async def Submit(self, request: edge_pb2.Task, context: Context) -> edge_pb2.Outcome:
        """One image in, one outcome out."""
        try:
            return await self._outcome(request, time.monotonic_ns(), _caller(context))
        except serde.BadField as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise

    async def Stream(self, requests: Any, context: Context) -> AsyncIterator[edge_pb2.Outcome]:
        """A stream of images; outcomes come back as they end."""
        outcomes: asyncio.Queue[edge_pb2.Outcome | None] = asyncio.Queue()
        running: set[asyncio.Task[None]] = set()
        caller = _caller(context)

        async def one(request: edge_pb2.Task, arrived_ns: int) -> None:
            await outcomes.put(await self._outcome_or_error(request, arrived_ns, caller))

        async def read() -> None:
            async for request in requests:
                task = asyncio.create_task(one(request, time.monotonic_ns()))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)
            await outcomes.put(None)

        reader = asyncio.create_task(read())
        try:
            while (outcome := await outcomes.get()) is not None:
                yield outcome
        finally:
            reader.cancel()
            for task in running:
                task.cancel()

    async def Feedback(
        self, request: edge_pb2.FeedbackRequest, context: Context
    ) -> edge_pb2.Outcome:
        """Not satisfied: the same image once more, at a QoR one step higher."""
        outcome = await self._driver.again(request.task_id)
        if outcome is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"task_id: {request.task_id!r} is not among the last finished tasks",
            )
            raise AssertionError
        return serde.outcome_to_wire(outcome, self._labels)

    async def Status(self, request: Any, context: Context) -> edge_pb2.StatusReply:
        """What the agent is and how it does."""
        reply = serde.status_to_wire(self._driver.snapshot())
        reply.MergeFrom(self._about)
        reply.uptime_ns = time.monotonic_ns() - self._started_ns
        reply.log_dropped = self._log.dropped
        return reply

    async def Watch(
        self, request: edge_pb2.WatchRequest, context: Context
    ) -> AsyncIterator[edge_pb2.Event]:
        """The event log, live."""
        lines: asyncio.Queue[str] = asyncio.Queue(WATCH_QUEUE)

        def take(record: dict[str, Any]) -> None:
            wanted = not request.task_id or record.get("task_id") == request.task_id
            if wanted and not lines.full():
                lines.put_nowait(json.dumps(record))

        stop = self._log.subscribe(take)
        try:
            while True:
                yield edge_pb2.Event(json=await lines.get())
        finally:
            stop()

    async def Logs(
        self, request: edge_pb2.LogsRequest, context: Context
    ) -> AsyncIterator[edge_pb2.Event]:
        """What the store holds; with `follow` also what comes."""
        if self.store is None:
            reason = "the agent keeps no log store; set log_store in its configuration"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)
            raise AssertionError
        try:
            query = serde.query_from_wire(request)
        except serde.BadField as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        lines = follow_store if request.follow else stored_lines
        try:
            async for line in lines(self.store, query, request.limit or DEFAULT_LINES):
                yield edge_pb2.Event(json=line.body)
        except UserError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def _free_id(self) -> str:
        """An id for a task that came without one."""
        return next(i for n in self._numbers if not self._is_taken(i := f"t{n}"))

    def _is_taken(self, task_id: str) -> bool:
        return task_id in self._arriving or self._driver.known(task_id)

    async def _outcome_or_error(
        self, request: edge_pb2.Task, arrived_ns: int, caller: Caller
    ) -> edge_pb2.Outcome:
        try:
            return await self._outcome(request, arrived_ns, caller)
        except serde.BadField as error:
            return serde.bad_input_to_wire(request, request.task_id, error)

    async def _outcome(
        self, request: edge_pb2.Task, arrived_ns: int, caller: Caller
    ) -> edge_pb2.Outcome:
        """Admit and run one task, unless its client has too many here."""
        try:
            with self.tasks.one(caller.client):
                return await self._run(request, arrived_ns, caller.traceparent)
        except (Overloaded, QuotaExceeded) as error:
            return edge_pb2.Outcome(
                task_id=request.task_id or self._free_id(),
                stream_id=request.stream_id,
                kind="refused",
                reason=str(error),
            )

    async def _run(
        self, request: edge_pb2.Task, arrived_ns: int, traceparent: str
    ) -> edge_pb2.Outcome:
        """Admit and run one task. The deadline counts from `arrived_ns`."""
        serde.check_task(request, POLICIES)
        task_id = request.task_id or self._free_id()
        if self._is_taken(task_id):
            raise serde.BadField("task_id", f"{task_id!r} is the id of a task that is still open")
        privacy = serde.privacy_from_wire(request)
        self._arriving.add(task_id)
        try:
            image = await self._admission.admit(request.image, privacy.allows("jpeg"))
        except ValueError as error:
            raise serde.BadField("image", str(error)) from None
        finally:
            self._arriving.discard(task_id)
        sizes = {codec: n for codec, n in self._made_bytes.items() if privacy.allows(codec)}
        if image.jpeg is not None:
            sizes["jpeg"] = len(image.jpeg)
        trace_id = self._traces.of(request, task_id, traceparent)
        task = serde.task_from_wire(
            request, task_id, arrived_ns, POLICIES, sizes, image.encoding_ns, trace_id
        )
        outcome = await self._driver.submit(task, image)
        self._log_outcome(outcome, trace_id)
        return serde.outcome_to_wire(outcome, self._labels)

    def _log_outcome(self, outcome: Outcome, trace_id: str) -> None:
        """Log the end of a task: a warning if it failed, else at debug level, as there are many."""
        level = logging.WARNING if outcome.kind is OutcomeKind.FAILED else logging.DEBUG
        if self._logger.isEnabledFor(level):
            reports = (
                outcome.task_id,
                outcome.kind.value,
                outcome.reason or outcome.exit or "",
            )
            about = about_task(outcome.task_id, trace_id)
            self._logger.log(level, "task %s: %s, %s", *reports, extra=about)
