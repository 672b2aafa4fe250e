"""The CloudAgent service: decode the request, call the driver, encode the answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.gate import certified_name, client_of
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from cloud_agent.calls import LAST, Call, CallError, Limits
from cloud_agent.driver import CloudDriver
from cloud_agent.upload import read_open, read_payload
from mc_sched.core.actions import Accept, Refuse, Reject, Reply, Stop
from mc_sched.core.events import LinkSampled
from mc_sched.core.tables import CloudTable
from mc_sched.service.logger import about_task

Context = Any
MAX_PADDING_BYTES = 65536
"""Upper limit of the padding in a probe's reply."""


class CloudServicer(cloud_pb2_grpc.CloudAgentServicer):
    """Serves one agent's port."""

    def __init__(
        self,
        driver: CloudDriver,
        table: CloudTable,
        labels: Sequence[str],
        *,
        version: str,
        limits: Limits,
        logger: logging.Logger | None = None,
    ) -> None:
        """`logger` logs how tasks end."""
        self._logger = logger or logging.getLogger(__name__)
        self._driver = driver
        self._table = table
        self._labels = labels
        self._version = version
        self._limits = limits
        self._tasks = Quota(limits.tasks_per_client, "tasks")

    def set_limits(self, limits: Limits) -> None:
        """Use other limits from now on."""
        self._limits = limits
        self._tasks.most = limits.tasks_per_client

    async def Describe(self, request: Any, context: Context) -> cloud_pb2.DescribeReply:
        """Return the tables of the bundle that this agent hosts."""
        return serde.describe_to_wire(self._table, self._version)

    async def Probe(
        self, request: cloud_pb2.ProbeRequest, context: Context
    ) -> cloud_pb2.ProbeReply:
        """Return the agent's load, and take the round trip that the edge measured."""
        started_ns = time.monotonic_ns()
        if request.last_rtt_ns:
            self._driver.handle(
                LinkSampled(
                    started_ns, request.last_rtt_ns, edge_id=request.edge_id[: serde.MAX_ID]
                )
            )
        load = self._driver.load()
        return cloud_pb2.ProbeReply(
            padding=bytes(min(request.reply_padding_bytes, MAX_PADDING_BYTES)),
            held_ns=time.monotonic_ns() - started_ns,
            queue_ns=load.queue_ns,
            slowdown=load.slowdown,
            bundle_hash=self._table.bundle_hash,
            draining=self._driver.draining,
        )

    async def GiveUp(
        self, request: cloud_pb2.GiveUpRequest, context: Context
    ) -> cloud_pb2.GiveUpReply:
        """Stop the work on a task; harmless if the task is over already."""
        key = f"{request.edge_id}/{request.task_id}"
        known = self._driver.give_up(key, certified_name(context))
        return cloud_pb2.GiveUpReply(known=known)

    async def Infer(self, requests: Any, context: Context) -> None:
        """Serve one task: receive its payload, then send the machine's messages."""
        try:
            with self._tasks.one(client_of(context)):
                await self._infer(context)
        except QuotaExceeded as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except CallError as error:
            await context.abort(error.code, str(error))

    async def _infer(self, context: Context) -> None:
        opened_ns = time.monotonic_ns()
        limits = self._limits
        opened = await read_open(context.read, self._table, limits)
        key = f"{opened.edge_id}/{opened.task_id}"
        call = Call(certified_name(context), serde.opened_trace(opened), opened_ns)
        self._driver.open(key, call, limits.max_calls)
        try:
            payload = await read_payload(call, opened, context.read, limits)
            if payload is None:
                stop = Stop(key, "the upload was given up", 0)
                await context.write(serde.cloud_action_to_wire(stop, self._labels))
                return
            call.received_ns = time.monotonic_ns()
            event = serde.received_from_wire(
                opened, key, call.received_ns, opened_ns, limits.exit_rule
            )
            self._driver.receive(event, payload)
            await self._relay(call, context)
        finally:
            self._driver.hang_up(key)

    async def _relay(self, call: Call, context: Context) -> None:
        """Send the machine's messages about the task, up to the last one."""
        while True:
            message = await call.mailbox.get()
            if isinstance(message, Reject):
                self._log_outcome(message, call.trace_id)
                invalid, internal = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL
                code = invalid if message.invalid else internal
                raise CallError(code, f"payload: {message.reason}")
            now_ns = time.monotonic_ns()
            held_ns = now_ns - (call.accepted_ns or call.received_ns)
            if isinstance(message, Accept):
                call.accepted_ns = now_ns
            transfer_ns = call.received_ns - call.opened_ns
            encoded = serde.cloud_action_to_wire(message, self._labels, held_ns, transfer_ns)
            if isinstance(message, LAST):
                encoded.story.extend(serde.story_to_wire(call.story))
                # before the write: an edge that has its answer may end the call at once
                self._log_outcome(message, call.trace_id)
            await context.write(encoded)
            if isinstance(message, LAST):
                return

    def _log_outcome(self, message: Refuse | Reject | Reply | Stop, trace_id: str) -> None:
        """Log the end of a task: a warning if it failed, else at debug level, as there are many."""
        failed = isinstance(message, Stop) and message.failed
        failed = failed or (isinstance(message, Reject) and not message.invalid)
        level = logging.WARNING if failed else logging.DEBUG
        if self._logger.isEnabledFor(level):
            how = message.exit if isinstance(message, Reply) else message.reason
            end = (message.task_id, type(message).__name__.lower(), how)
            about = about_task(message.task_id, trace_id)
            self._logger.log(level, "task %s: %s, %s", *end, extra=about)
