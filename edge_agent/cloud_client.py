"""The edge's side of the wire to the cloud: it watches the cloud agent and sends tasks to it.

Whatever fails, each task that was sent ends as exactly one of replied, refused, stopped or lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import grpc
from mc_proto import serde
from mc_proto.serde.fields import known_slowdown
from mc_proto.session import ENDS, CloudConnections, CloudSession, SessionEnded
from mc_proto.tls import Identity
from mc_proto.v1 import cloud_pb2

from mc_sched.core import events as ev
from mc_sched.core.actions import SendProbe, SendToCloud
from mc_sched.obs.log.moments import CloudStory

PROBE_TIMEOUT_S = 1.0
MISSED_PROBES = 2
"""Unanswered probes in a row after which the link counts as down."""
RETRY_S = 0.25
STALLED_NS = 10 * 10**9
"""Time after which a session that takes no bytes is replaced, although probes are answered."""
DRAINING = "the cloud agent is shutting down"

Feed = Callable[[ev.EdgeEvent], None]


class CloudClient:
    """Watches one cloud agent, keeps a session with it, and sends tasks over the session."""

    def __init__(
        self,
        address: str,
        edge_id: str,
        bundle_hash: str,
        feed: Feed,
        identity: Identity | None = None,
        log_story: Callable[[CloudStory], None] = lambda story: None,
    ) -> None:
        """Prepare the client; with an `identity` its connections use mutual TLS.

        `log_story` receives the cloud's part of the story of each task that has ended in the cloud.
        """
        self._address = address
        self._edge_id = edge_id
        self._bundle_hash = bundle_hash
        self._feed = feed
        self._identity = identity
        self._log_story = log_story
        self._session: CloudSession | None = None
        self._wishes: asyncio.Queue[SendProbe | None] = asyncio.Queue()
        """Probes that the machine has asked for since the cloud was reached; None: look again."""
        self._gone_reason: str | None = None
        """The reason of the last CloudGone; None before it, and again once a cloud is found."""

    async def start(self) -> None:
        """Connect and keep watching; returns at once."""
        self._connections = self._connect()
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Disconnect; open tasks are lost."""
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)
        await self._cut("the connection was cut")
        await self._connections.close()

    # --- watching the cloud -----------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                await self._lose(self._why_unusable(error))
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._reconnect()
            except SessionEnded as error:
                await self._lose(self._why_ended(error))
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """Find the cloud, then send the machine's probes until it is lost or drains."""
        described = await self._connections.describe(PROBE_TIMEOUT_S)
        table = serde.describe_from_wire(described)
        if table.bundle_hash != self._bundle_hash:
            await self._lose("the cloud runs another bundle; install the same one on both")
            return
        self._wishes = asyncio.Queue()
        self._feed(ev.CloudReached(time.monotonic_ns()))
        found, missed = False, 0
        while (probe := await self._wishes.get()) is not None:
            try:
                draining = await self._send_probe(probe)
            except grpc.aio.AioRpcError as error:
                missed += 1
                if not found or missed >= MISSED_PROBES or _is_unavailable(error):
                    raise
                self._feed(ev.ProbeLost(time.monotonic_ns(), self._why_unusable(error)))
                continue
            if draining:
                self._report_gone(DRAINING)
                return
            missed = 0
            if not found:
                await self._open_session()
                found, self._gone_reason = True, None
                self._feed(ev.CloudFound(time.monotonic_ns(), table))
            elif self._is_stalled():
                await self._lose(f"{self._address} takes no bytes, although it answers probes")
                return

    def _is_stalled(self) -> bool:
        """Return True if the session has not taken a message for too long."""
        session = self._session
        return session is not None and session.stalled_ns(time.monotonic_ns()) > STALLED_NS

    async def _reconnect(self) -> None:
        """Replace both connections of a silent link.

        TCP repeats lost bytes after ever longer pauses. When the link is back, a new connection is
        open before an old one has noticed.
        """
        old, self._connections = self._connections, self._connect()
        await old.close()

    def _connect(self) -> CloudConnections:
        return CloudConnections(self._address, self._identity)

    async def _open_session(self) -> None:
        """Open a session unless there is one; the first credits have come when this returns."""
        if self._session is None:
            session = CloudSession(self._connections, self._edge_id, self._bundle_hash, self)
            await session.open(PROBE_TIMEOUT_S)
            self._session = session

    def probe(self, action: SendProbe) -> None:
        """Probe the link; the answer, or its loss, is fed as an event."""
        self._wishes.put_nowait(action)

    async def _send_probe(self, probe: SendProbe) -> bool:
        """Make one round trip; return True if the cloud is draining."""
        started_ns = time.monotonic_ns()
        request = cloud_pb2.ProbeRequest(
            edge_id=self._edge_id,
            last_rtt_ns=probe.last_rtt_ns,
            padding=bytes(probe.up_bytes),
            reply_padding_bytes=probe.down_bytes,
        )
        reply = await self._connections.probe(request, PROBE_TIMEOUT_S)
        now_ns = time.monotonic_ns()
        self._feed(
            ev.LinkSampled(
                now_ns, now_ns - started_ns, reply.queue_ns, known_slowdown(reply.slowdown), "",
                reply.held_ns, probe.up_bytes, len(reply.padding),
            )
        )  # fmt: skip
        return reply.draining

    async def _lose(self, reason: str) -> None:
        self._report_gone(reason)
        await self._cut(reason)

    def _report_gone(self, reason: str) -> None:
        """Feed CloudGone, unless the last report had the same reason or was of the same silence."""
        silence = f"{self._address} does not answer"
        is_silent = (self._gone_reason or "").startswith(silence) and reason.startswith(silence)
        if self._gone_reason != reason and not is_silent:
            self._gone_reason = reason
            self._feed(ev.CloudGone(time.monotonic_ns(), reason))

    async def _cut(self, reason: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close(reason)

    # --- tasks ------------------------------------------------------------------------------

    def send(self, action: SendToCloud, payload: bytes, trace_id: str = "") -> None:
        """Send a task to the cloud; its end is fed as an event."""
        if self._session is None:
            reason = self._gone_reason or "no cloud agent was found yet"
            asyncio.get_running_loop().call_soon(self.on_lost, action.task_id, reason)
            return
        opened = serde.task_to_session(action, payload, trace_id=trace_id)
        self._session.send(opened, payload)

    def give_up(self, task_id: str) -> None:
        """Tell the cloud to stop; send no more of the task's payload."""
        if self._session is not None:
            self._session.give_up(task_id)

    # --- the session's listener -------------------------------------------------------------

    def on_message(self, message: cloud_pb2.SessionReply.TaskMessage, kind: str) -> None:
        """Feed a message about a task, and log the cloud's part of the story with the last one."""
        if kind in ENDS and message.story:
            self._log_story(CloudStory(message.task_id, serde.session_story_from_wire(message)))
        self._feed(serde.task_message_from_wire(message, time.monotonic_ns()))

    def on_lost(self, task_id: str, reason: str) -> None:
        """Feed the end of a task that the cloud will not answer."""
        self._feed(ev.CloudLost(time.monotonic_ns(), task_id, reason))

    def on_credits(self, count: int) -> None:
        """Feed the number of tasks that may be open."""
        self._feed(ev.CreditsGranted(time.monotonic_ns(), count))

    def on_load(self, load: cloud_pb2.SessionReply.Load) -> None:
        """Feed the load; a cloud that drains is left, and its open tasks still end there."""
        self._feed(
            ev.CloudLoadSampled(time.monotonic_ns(), load.queue_ns, known_slowdown(load.slowdown))
        )
        if load.draining:
            self._report_gone(DRAINING)
            self._wishes.put_nowait(None)

    def on_ended(self, end: SessionEnded) -> None:
        """Report that the cloud is gone and look for it again, unless this client has cut it."""
        if self._session is not None:
            self._session = None
            if self._gone_reason is None:
                self._report_gone(self._why_ended(end))
            self._wishes.put_nowait(None)

    # --- reasons ----------------------------------------------------------------------------

    def _why_unusable(self, error: grpc.aio.AioRpcError) -> str:
        """Return the reason why the cloud agent cannot be used."""
        return self._why(error.code(), error.details() or "")

    def _why_ended(self, end: SessionEnded) -> str:
        """Return the reason why there is no session with the cloud agent."""
        if end.code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE):
            return self._why(end.code, str(end))
        return f"{self._address} ended the session: {end}"

    def _why(self, code: grpc.StatusCode, details: str) -> str:
        if code is grpc.StatusCode.PERMISSION_DENIED:
            return f"{self._address} refuses this node's certificate: {details}"
        return f"{self._address} does not answer ({code.name.lower()})"


def _is_unavailable(error: grpc.aio.AioRpcError) -> bool:
    """Return True if the connection is broken, so that another probe would fail as well."""
    return error.code() is grpc.StatusCode.UNAVAILABLE
