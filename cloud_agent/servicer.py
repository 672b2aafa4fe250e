"""The CloudAgent service: decode, call, encode."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import grpc
import torch
from mc_proto import serde
from mc_proto.gate import certified_name, client_of
from mc_proto.quota import Quota, QuotaExceeded
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from cloud_agent.driver import LAST, Call, CloudDriver
from mc_sched.core.actions import Accept, Refuse, Reply, Stop
from mc_sched.core.events import LinkSampled
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import ExitRule
from mc_sched.service.logger import about_task

Decode = Callable[[bytes], torch.Tensor]
"""Payload to what its codec's stage takes; ValueError says what is wrong with it."""
Context = Any
MAX_PADDING_BYTES = 65536
"""Most that a probe's reply carries, whatever it was asked for."""
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Limits:
    """What the servicer takes; it may change while it serves."""

    exit_rule: ExitRule = ExitRule.ADAPTIVE
    """Of a task that names none."""
    max_payload_bytes: int = 8 * 2**20
    max_calls: int = 256
    tasks_per_client: int = 256
    upload_s: float = 10.0
    """How long a payload may take, whatever its task's budget."""


class CloudServicer(cloud_pb2_grpc.CloudAgentServicer):
    """One per agent."""

    def __init__(
        self,
        driver: CloudDriver,
        table: CloudTable,
        labels: Sequence[str],
        decoders: Mapping[str, Decode],
        pool: Executor,
        *,
        version: str,
        limits: Limits = Limits(),
        logger: logging.Logger | None = None,
    ) -> None:
        """`logger` logs how tasks end."""
        self._logger = logger or logging.getLogger(__name__)
        self._driver = driver
        self._table = table
        self._labels = labels
        self._decoders = decoders
        self._pool = pool
        self._version = version
        self._limits = limits
        self._tasks = Quota(limits.tasks_per_client, "tasks")

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on."""
        self._limits = limits
        self._tasks.most = limits.tasks_per_client

    async def Describe(self, request: Any, context: Context) -> cloud_pb2.DescribeReply:
        """What this agent hosts."""
        return serde.describe_to_wire(self._table, self._version)

    async def Probe(
        self, request: cloud_pb2.ProbeRequest, context: Context
    ) -> cloud_pb2.ProbeReply:
        """Load of this agent; takes note of the round trip that the edge measured."""
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
        """Stop work on a task; harmless when it is over already."""
        key = f"{request.edge_id}/{request.task_id}"
        known = self._driver.give_up(key, certified_name(context))
        return cloud_pb2.GiveUpReply(known=known)

    async def Infer(self, requests: Any, context: Context) -> None:
        """One task: receive, decide, run, reply."""
        try:
            with self._tasks.one(client_of(context)):
                await self._infer(context)
        except QuotaExceeded as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _infer(self, context: Context) -> None:
        opened_ns = time.monotonic_ns()
        opened = await self._opened(context)
        key = f"{opened.edge_id}/{opened.task_id}"
        if self._driver.is_open(key):
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"task {key} is here already")
        if len(self._driver.calls) >= self._limits.max_calls:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"overload: {self._limits.max_calls} calls are open here already",
            )
        call = Call(certified_name(context), serde.opened_trace(opened), opened_ns)
        self._driver.open(key, call)
        try:
            payload = await self._received(call, opened, context)
            if payload is None:
                stop = Stop(key, "the upload was given up", 0)
                await context.write(serde.cloud_action_to_wire(stop, self._labels))
                return
            call.received_ns = time.monotonic_ns()
            event = serde.received_from_wire(opened, key, call.received_ns, opened_ns)
            if self._driver.receive(event):
                self._pool.submit(self._bring, call, key, opened, payload, opened_ns)
            await self._relay(call, opened_ns, context)
        finally:
            self._driver.hang_up(key)

    async def _opened(self, context: Context) -> cloud_pb2.InferRequest.Open:
        first = await self._first(context)
        if first is EOF or first.WhichOneof("message") != "open":
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "open: must be the first message of Infer"
            )
        try:
            serde.check_open(first.open, self._limits.max_payload_bytes, self._table.ways)
        except serde.BadField as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if first.open.bundle_hash != self._table.bundle_hash:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "open.bundle_hash: the edge runs another bundle; install the same one on both",
            )
        opened: cloud_pb2.InferRequest.Open = first.open
        return opened

    async def _first(self, context: Context) -> Any:
        try:
            return await asyncio.wait_for(context.read(), self._limits.upload_s)
        except asyncio.TimeoutError:
            await self._abort_slow(context, "the first message", self._limits.upload_s)

    async def _abort_slow(self, context: Context, what: str, limit_s: float) -> None:
        """A slow sender holds no memory for longer."""
        reason = f"{what} took longer than {limit_s:g} s, the task's budget or limits.upload"
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, reason)

    async def _received(
        self, call: Call, opened: cloud_pb2.InferRequest.Open, context: Context
    ) -> bytes | None:
        """The whole payload, or None if the task was given up on its way here."""
        if len(opened.head) == opened.payload_bytes:
            return opened.head
        call.receiving = asyncio.ensure_future(self._payload(opened, context))
        limit_s = min(opened.budget_ns / 1e9, self._limits.upload_s)
        try:
            return await asyncio.wait_for(call.receiving, limit_s)
        except asyncio.TimeoutError:
            await self._abort_slow(context, "the upload", limit_s)
        except asyncio.CancelledError:
            if not call.given_up:
                raise
            return None
        finally:
            call.receiving = None
        raise AssertionError("abort raises")

    async def _payload(self, opened: cloud_pb2.InferRequest.Open, context: Context) -> bytes:
        payload = bytearray(opened.head)
        while len(payload) < opened.payload_bytes:
            message = await context.read()
            if message is EOF:
                await context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"payload: ended after {len(payload)} of {opened.payload_bytes} bytes",
                )
            payload += message.chunk
        if len(payload) > opened.payload_bytes:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"payload: longer than the {opened.payload_bytes} bytes announced",
            )
        return bytes(payload)

    def _bring(
        self,
        call: Call,
        key: str,
        opened: cloud_pb2.InferRequest.Open,
        payload: bytes,
        opened_ns: int,
    ) -> None:
        """Decode the payload and hand the task to the machine; on a thread of the pool."""
        if not self._driver.wants(call, key):
            return
        try:
            x = self._decoders[opened.codec](payload)
        except Exception as error:
            self._driver.post(call, error)
            return
        now_ns = time.monotonic_ns()
        event = serde.arrived_from_wire(
            opened, key, now_ns, opened_ns, self._limits.exit_rule, call.received_ns - opened_ns
        )
        self._driver.arrive(call, event, x)

    async def _relay(self, call: Call, opened_ns: int, context: Context) -> None:
        """Tell the edge what the machine says of its task, to the last word."""
        while True:
            message = await call.mailbox.get()
            if isinstance(message, Exception):
                bad = isinstance(message, ValueError)
                code = grpc.StatusCode.INVALID_ARGUMENT if bad else grpc.StatusCode.INTERNAL
                await context.abort(code, f"payload: {message}")
                raise message  # abort has raised already
            now_ns = time.monotonic_ns()
            held_ns = now_ns - (call.accepted_ns or call.received_ns)
            if isinstance(message, Accept):
                call.accepted_ns = now_ns
            transfer_ns = call.received_ns - opened_ns
            word = serde.cloud_action_to_wire(message, self._labels, held_ns, transfer_ns)
            if isinstance(message, LAST):
                word.story.extend(serde.story_to_wire(call.story))
            await context.write(word)
            if isinstance(message, LAST):
                self._log_outcome(message, call.trace_id)
                return

    def _log_outcome(self, message: Refuse | Reply | Stop, trace_id: str) -> None:
        """Log the end of a task: a warning if it failed, else at debug level, as there are many."""
        failed = isinstance(message, Stop) and message.failed
        level = logging.WARNING if failed else logging.DEBUG
        if self._logger.isEnabledFor(level):
            how = message.exit if isinstance(message, Reply) else message.reason
            reports = (message.task_id, type(message).__name__.lower(), how)
            about = about_task(message.task_id, trace_id)
            self._logger.log(level, "task %s: %s, %s", *reports, extra=about)
