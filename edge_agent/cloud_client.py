"""The edge's side of the wire to the cloud: one connection for images, one for control.

Whatever fails, each task that was sent ends as exactly one of replied, refused, stopped or lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from mc_proto import serde
from mc_proto.channel import connect
from mc_proto.tls import Identity
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

from mc_sched.core import events as ev
from mc_sched.core.actions import SendProbe, SendToCloud
from mc_sched.errors import sentence
from mc_sched.obs.log.moments import CloudStory

CHUNK_BYTES = 16 * 1024
"""Small enough that a give-up stops an upload soon, large enough that most images need just one."""
PROBE_TIMEOUT_S = 1.0
MISSED_PROBES = 2
"""Unanswered probes in a row after which the link counts as down."""
RETRY_S = 0.25
GIVE_UP_GRACE_S = 1.0
"""Time the cloud has to confirm a give-up before the call is cancelled."""
LAST = (ev.CloudReplied, ev.CloudRefused, ev.CloudStopped)
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]

Feed = Callable[[ev.EdgeEvent], None]


@dataclass
class _Call:
    """One Infer call in flight."""

    job: asyncio.Task[ev.EdgeEvent]
    accepted: bool = False
    given_up: bool = False


class CloudClient:
    """Watches one cloud agent and sends tasks to it."""

    def __init__(
        self,
        address: str,
        edge_id: str,
        bundle_hash: str,
        feed: Feed,
        identity: Identity | None = None,
        log_story: Callable[[CloudStory], None] = lambda story: None,
    ) -> None:
        """Prepare both connections; with an `identity` they use mutual TLS.

        `log_story` receives the cloud's part of the story of each task that has ended in the cloud.
        """
        self._address = address
        self._edge_id = edge_id
        self._bundle_hash = bundle_hash
        self._feed = feed
        self._calls: dict[str, _Call] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._probes: asyncio.Queue[SendProbe] = asyncio.Queue()
        """Probes that the machine has asked for since the cloud was reached."""
        self._gone_reason: str | None = None
        """The reason of the last CloudGone; None before it, and again once a cloud is found."""
        self._identity = identity
        self._log_story = log_story

    async def start(self) -> None:
        """Connect and keep watching; returns at once."""
        self._data = connect(self._address, self._identity)
        self._control = connect(self._address, self._identity)
        self._data_stub: Any = cloud_pb2_grpc.CloudAgentStub(self._data)
        self._control_stub: Any = cloud_pb2_grpc.CloudAgentStub(self._control)
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Disconnect; calls in flight are lost."""
        self._watcher.cancel()
        self._cut_calls()
        jobs = [self._watcher, *(call.job for call in self._calls.values()), *self._background]
        await asyncio.gather(*jobs, return_exceptions=True)
        await self._data.close(None)
        await self._control.close(None)

    # --- watching the link ------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                self._lose(_why_unusable(self._address, error))
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """Ask what the cloud hosts, then send the machine's probes until it is lost or drains."""
        described = await self._control_stub.Describe(
            cloud_pb2.DescribeRequest(), timeout=PROBE_TIMEOUT_S
        )
        table = serde.describe_from_wire(described)
        if table.bundle_hash != self._bundle_hash:
            self._lose("the cloud runs another bundle; install the same one on both")
            return
        self._probes = asyncio.Queue()
        self._feed(ev.CloudReached(time.monotonic_ns()))
        found, missed = False, 0
        while True:
            probe = await self._probes.get()
            try:
                draining = await self._send_probe(probe)
            except grpc.aio.AioRpcError as error:
                missed += 1
                if not found or missed >= MISSED_PROBES or _is_unavailable(error):
                    raise
                self._feed(ev.ProbeLost(time.monotonic_ns(), _why_unusable(self._address, error)))
                continue
            if draining:
                self._report_gone("the cloud agent is shutting down")
                return
            missed = 0
            if not found:
                found, self._gone_reason = True, None
                self._feed(ev.CloudFound(time.monotonic_ns(), table))

    def probe(self, action: SendProbe) -> None:
        """Probe the link; the answer, or its loss, is fed as an event."""
        self._probes.put_nowait(action)

    async def _send_probe(self, probe: SendProbe) -> bool:
        """Make one round trip; return True if the cloud is draining."""
        started_ns = time.monotonic_ns()
        request = cloud_pb2.ProbeRequest(
            edge_id=self._edge_id,
            last_rtt_ns=probe.last_rtt_ns,
            padding=bytes(probe.up_bytes),
            reply_padding_bytes=probe.down_bytes,
        )
        reply = await self._control_stub.Probe(request, timeout=PROBE_TIMEOUT_S)
        now_ns = time.monotonic_ns()
        self._feed(
            ev.LinkSampled(
                now_ns, now_ns - started_ns, reply.queue_ns, reply.slowdown, "", reply.held_ns,
                probe.up_bytes, len(reply.padding),
            )
        )  # fmt: skip
        draining: bool = reply.draining
        return draining

    def _lose(self, reason: str) -> None:
        self._report_gone(reason)
        self._cut_calls()

    def _report_gone(self, reason: str) -> None:
        """Feed CloudGone, unless it was the last report and gave the same reason."""
        if self._gone_reason != reason:
            self._gone_reason = reason
            self._feed(ev.CloudGone(time.monotonic_ns(), reason))

    def _cut_calls(self) -> None:
        for call in self._calls.values():
            call.job.cancel()

    # --- tasks ------------------------------------------------------------------------------

    def send(self, action: SendToCloud, payload: bytes, trace_id: str = "") -> None:
        """Send a task to the cloud; its end is fed as an event."""
        opened = serde.open_to_wire(
            action, self._edge_id, payload, CHUNK_BYTES, self._bundle_hash, trace_id
        )
        job = asyncio.create_task(self._exchange(action, opened, payload))
        self._calls[action.task_id] = _Call(job)
        job.add_done_callback(lambda _: self._ended(action.task_id))

    def give_up(self, task_id: str) -> None:
        """Tell the cloud to stop; cancel an upload that is still running."""
        call = self._calls.get(task_id)
        if call is None:
            return
        call.given_up = True
        self._start(self._send_give_up(task_id))
        if not call.accepted:
            call.job.cancel()
            return
        cut = asyncio.get_running_loop().call_later(GIVE_UP_GRACE_S, call.job.cancel)
        call.job.add_done_callback(lambda _: cut.cancel())

    async def _send_give_up(self, task_id: str) -> None:
        request = cloud_pb2.GiveUpRequest(task_id=task_id, edge_id=self._edge_id)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._control_stub.GiveUp(request, timeout=GIVE_UP_GRACE_S)

    def _ended(self, task_id: str) -> None:
        """Feed the end of a call, even of one that was cancelled before it started."""
        call = self._calls.pop(task_id)
        self._feed(_last_event(task_id, call))

    async def _exchange(
        self, action: SendToCloud, opened: cloud_pb2.InferRequest, payload: bytes
    ) -> ev.EdgeEvent:
        call = self._data_stub.Infer(timeout=action.budget_ns / 1e9 + GIVE_UP_GRACE_S)
        try:
            await call.write(opened)
            for start in range(CHUNK_BYTES, len(payload), CHUNK_BYTES):
                chunk = payload[start : start + CHUNK_BYTES]
                await call.write(cloud_pb2.InferRequest(chunk=chunk))
            while (message := await call.read()) is not EOF:
                event = serde.cloud_event_from_wire(message, action.task_id, time.monotonic_ns())
                if isinstance(event, LAST):
                    self._log_story(CloudStory(action.task_id, serde.story_from_wire(message)))
                    return event
                if isinstance(event, ev.CloudAccepted):
                    self._calls[action.task_id].accepted = True
                self._feed(event)
            status = await call.details()
            return ev.CloudLost(
                time.monotonic_ns(), action.task_id, status or "the cloud sent no answer"
            )
        except asyncio.InvalidStateError:
            # the call ended during a write; its status has the reason
            reason = await call.details()
            return ev.CloudLost(time.monotonic_ns(), action.task_id, reason or "the call ended")
        finally:
            call.cancel()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _why_unusable(address: str, error: grpc.aio.AioRpcError) -> str:
    """Return the reason why the cloud agent cannot be used."""
    if error.code() is grpc.StatusCode.PERMISSION_DENIED:
        return f"{address} refuses this node's certificate: {error.details()}"
    return f"{address} does not answer ({error.code().name.lower()})"


def _is_unavailable(error: grpc.aio.AioRpcError) -> bool:
    """Return True if the connection is broken, so that another probe would fail as well."""
    return error.code() is grpc.StatusCode.UNAVAILABLE


def _last_event(task_id: str, call: _Call) -> ev.EdgeEvent:
    now_ns = time.monotonic_ns()
    if call.job.cancelled():
        if call.given_up and not call.accepted:
            return ev.CloudStopped(now_ns, task_id, "the upload was stopped")
        return ev.CloudLost(now_ns, task_id, "the connection was cut")
    error = call.job.exception()
    if error is None:
        return call.job.result()
    if isinstance(error, grpc.aio.AioRpcError):
        return ev.CloudLost(now_ns, task_id, error.details() or error.code().name.lower())
    return ev.CloudLost(now_ns, task_id, f"the call failed: {sentence(error)}")
