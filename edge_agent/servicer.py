"""The EdgeAgent service: decode, call, encode."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.gate import client_of
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from edge_agent.client_stream import ClientStream, Cut
from edge_agent.driver import EdgeDriver
from edge_agent.intake import Intake
from edge_agent.submission import End
from edge_agent.traces import traceparent_of
from mc_sched.core.task import Outcome, OutcomeKind
from mc_sched.errors import UserError
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.store.live import DEFAULT_LINES, follow_store, stored_lines
from mc_sched.obs.store.wire import query_from_wire

WATCH_QUEUE = 1000
"""Log lines that a slow watcher may lag behind; further lines are left out for it."""
Context = Any


class EdgeServicer(edge_pb2_grpc.EdgeAgentServicer):
    """Serves the calls of one agent's clients."""

    def __init__(
        self,
        driver: EdgeDriver,
        log: EventLog,
        intake: Intake,
        about: edge_pb2.StatusReply,
        store: Path | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        """`about` is the part of the status that never changes, `store` the log store's file."""
        self.store = store
        self._driver = driver
        self._log = log
        self._intake = intake
        self._logger = logger or logging.getLogger(__name__)
        self._loop = asyncio.get_running_loop()
        self._about = about
        self._labels = list(about.labels)
        self._started_ns = time.monotonic_ns()

    async def Submit(self, request: edge_pb2.Task, context: Context) -> edge_pb2.Outcome:
        """Run one image to its outcome."""
        source = self._intake.source_of_calls(client_of(context))
        waiting: asyncio.Future[Outcome | serde.BadField] = self._loop.create_future()

        def ended(end: End) -> None:
            if end is not None and not waiting.done():
                waiting.set_result(end)

        submission = self._intake.take(source, request, ended, traceparent_of(context))
        try:
            end = await waiting
        except asyncio.CancelledError:
            if submission is not None:
                self._intake.leave(submission)
            raise
        finally:
            self._intake.close(source)
        if isinstance(end, serde.BadField):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(end))
            raise end
        return serde.outcome_to_wire(end, self._labels)

    async def Stream(self, requests: Any, context: Context) -> None:
        """Run a stream of images; outcomes are sent in the order in which tasks end."""
        client = client_of(context)
        source = self._intake.open_stream(client)
        traceparent = traceparent_of(context)
        try:
            await ClientStream(context, self._intake, source, self._labels, traceparent).serve()
        except Cut as error:
            self._logger.warning("the stream of %s was cut: %s", client, error)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        finally:
            self._intake.close(source)

    async def Feedback(
        self, request: edge_pb2.FeedbackRequest, context: Context
    ) -> edge_pb2.Outcome:
        """Run a finished image again, at a QoR one step higher."""
        outcome = await self._driver.again(request.task_id)
        if outcome is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"task_id: {request.task_id!r} is not among the last finished tasks",
            )
            raise AssertionError
        return serde.outcome_to_wire(outcome, self._labels)

    async def Status(self, request: Any, context: Context) -> edge_pb2.StatusReply:
        """Describe the agent and its state."""
        reply = serde.status_to_wire(self._driver.snapshot())
        reply.MergeFrom(self._about)
        reply.uptime_ns = time.monotonic_ns() - self._started_ns
        reply.log_dropped = self._log.dropped
        reply.outcomes[OutcomeKind.REFUSED.value] += self._intake.refused.total()
        return reply

    async def Watch(
        self, request: edge_pb2.WatchRequest, context: Context
    ) -> AsyncIterator[edge_pb2.Event]:
        """Send the event log's lines as they are written."""
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
        """Send lines of the log store; with `follow` also those that are written later."""
        if self.store is None:
            reason = "the agent keeps no log store; set log_store in its configuration"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, reason)
            raise AssertionError
        try:
            query = query_from_wire(request)
        except serde.BadField as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        lines = follow_store if request.follow else stored_lines
        try:
            async for line in lines(self.store, query, request.limit or DEFAULT_LINES):
                yield edge_pb2.Event(json=line.body)
        except UserError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
