"""A worker as the front sees it: its process, its pipe, the tasks that it has."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from mc_proto.v1 import cloud_pb2

from cloud_agent.devices import Device
from cloud_agent.front.endings import Ending
from cloud_agent.front.worker_link import WorkerEvents
from cloud_agent.front.worker_pipe import WorkerPipe, socket_pair
from cloud_agent.pipe import messages as on_pipe
from cloud_agent.pipe.frames import BadFrame, Frame
from cloud_agent.pipe.messages import Kind, Pong, Ready, Start, TaskMessage, WorkerMetrics
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import RefusalCode
from mc_sched.obs.log.event_log import EventLog

COMMAND = (sys.executable, "-m", "cloud_agent.worker")
PING_S = 0.5
"""Interval of the heartbeat."""
SILENT_PINGS = 20
"""Consecutive pings after which a worker that sends nothing hangs: 10 s, in which the front ran.
On a busy host, a worker needs seconds for a burst of thousands of messages."""
LOADING_S = 170.0
"""Longest load, measurement of the network included; the service manager allows 180 s."""
EXIT_S = 1.0
"""Time between the end of a worker's pipe and its exit; then it is killed."""
MAX_WAITING_BYTES = 32 * 2**20
"""Bytes that may wait for a worker that does not read: four of the largest payloads."""


class RemoteWorker:
    """One device's worker over all its processes. Implements Worker."""

    def __init__(
        self,
        index: int,
        device: Device,
        log: EventLog,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`log` gets the worker's lines; `command` gets socket and parent as arguments."""
        self.index, self._device = index, device
        self._log, self._command = log, command
        self._front: WorkerEvents | None = None
        self.up = False
        self.load = WorkerLoad()
        self.ready: Ready | None = None
        """Message of the last process that was ready."""
        self.times_up = 0
        """Processes that have come up."""
        self.ends: Counter[tuple[str, str]] = Counter()
        """(last message, exit) -> tasks that the worker has ended."""
        self.metrics = WorkerMetrics()
        self.process_id = 0
        """Id of the present process; 0 without one."""
        self._pipe: WorkerPipe | None = None
        self._ended: asyncio.Future[str] | None = None
        """The reason of the present process's end."""
        self._came_up = asyncio.Event()
        self._answered = asyncio.Event()
        """Set by each report of the metrics."""
        self._stopping = False
        self._silent = 0
        self._dropped = 0
        self._number = 0
        self._numbers: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        """Open tasks by number. A number is not used again, so that a late message about a task
        never reaches another one with its id."""

    def attach(self, front: WorkerEvents) -> None:
        """Report to this front."""
        self._front = front

    @property
    def _events(self) -> WorkerEvents:
        assert self._front is not None
        return self._front

    @property
    def device(self) -> str:
        """Name of its device; for `auto`, what torch found, once it is known."""
        name = self._device.name
        return self.ready.kind if name == "auto" and self.ready is not None else name

    @property
    def table(self) -> CloudTable | None:
        """Tables of its bundle with this device's times; None before it is up."""
        return None if self.ready is None else self.ready.table

    # --- the front's calls ------------------------------------------------------------------

    def receive(self, event: ev.Received, payload: bytes, trace_id: str) -> None:
        """Hand over a task with its whole payload."""
        if not self.up or self._pipe is None:
            return
        key = event.task_id
        self._number += 1
        self._keys.pop(self._numbers.get(key, 0), None)
        self._numbers[key], self._keys[self._number] = self._number, key
        if self._pipe.waiting_bytes + len(payload) > MAX_WAITING_BYTES:
            asyncio.get_running_loop().call_soon(self._refuse, self._number, event)
            return
        start = on_pipe.task_frame(self._number, event, trace_id, len(payload))
        self._pipe.write(start, payload)

    def handle(self, event: ev.CloudEvent) -> None:
        """Hand over any other event of the front."""
        if not self.up or self._pipe is None:
            return
        if isinstance(event, ev.ClientGone):
            self._forget(event.task_id)
        self._pipe.write(on_pipe.event_frame(event))

    def _refuse(self, number: int, event: ev.Received) -> None:
        """Refuse a task that the pipe has no room for."""
        if number not in self._keys:
            return
        ending = Ending.refused(RefusalCode.TOO_MANY_TASKS, "the worker does not read its pipe")
        reply = ending.encoded(event.task_id.removeprefix(f"{event.edge_id}/"))
        self._forward(TaskMessage(number, reply, TaskEnd(ending.message, ending.reason)))

    def _forget(self, key: str) -> None:
        self._keys.pop(self._numbers.pop(key, 0), None)

    # --- the life of a process --------------------------------------------------------------

    async def run(self, start: Start) -> str:
        """Start a process and serve with it; return the reason why it has ended.

        If this is cancelled, the process is killed.
        """
        ours, theirs = socket_pair()
        self._ended = asyncio.get_running_loop().create_future()
        self._silent = self._dropped = 0
        try:
            with theirs:
                process = await self._spawn(theirs.fileno())
            self._pipe = await WorkerPipe.open(ours, self._take, self._end)
        except OSError as error:
            ours.close()
            return f"it cannot be started: {error}"
        except BaseException:
            ours.close()
            raise
        reason = "it was stopped"
        self.process_id = process.pid
        try:
            self._pipe.write(on_pipe.start_frame(start))
            reason = await self._watch(self._ended) or await _exit_of(process)
        finally:
            self._go_down(reason)
            self.process_id = 0
            if process.returncode is None:
                process.kill()
            await process.wait()
        return reason

    async def _spawn(self, descriptor: int) -> asyncio.subprocess.Process:
        # the worker imports what the front imports, wherever it was started
        path = os.pathsep.join(folder for folder in sys.path if folder)
        environment = {**self._device.environment(), "PYTHONPATH": path}
        return await asyncio.create_subprocess_exec(
            *self._command, str(descriptor), str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL, pass_fds=(descriptor,), env=environment,
        )  # fmt: skip

    async def _watch(self, ended: asyncio.Future[str]) -> str:
        """Ping the worker until its end; return the reason, empty if its pipe has ended."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + LOADING_S
        while not (await asyncio.wait({ended}, timeout=PING_S))[0]:
            if not self.up:
                if loop.time() > limit:
                    return f"it was not ready within {LOADING_S:.0f} s"
                continue
            if self._silent >= SILENT_PINGS:
                return f"it hangs: no answer for {SILENT_PINGS * PING_S:.0f} s"
            self._ping(metrics=False)
            self._silent += 1
        return ended.result()

    def _ping(self, metrics: bool) -> None:
        if self._pipe is not None:
            self._pipe.write(on_pipe.ping_frame(metrics))

    def _end(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _go_down(self, reason: str) -> None:
        was_up, self.up = self.up, False
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        self._numbers.clear()
        self._keys.clear()
        self.load = WorkerLoad()
        self._came_up.clear()
        if was_up and not self._stopping:
            self._events.on_down(self, reason)

    async def until_up(self) -> None:
        """Wait until the worker is up."""
        await self._came_up.wait()

    def stop(self) -> None:
        """Ask the process to write its log and exit; it reports nothing more to the front."""
        self._stopping = True
        if self._pipe is not None:
            self._pipe.write(on_pipe.message_frame(Kind.STOP, None))

    async def fresh_metrics(self, patience_s: float) -> None:
        """Wait until the worker has reported its metrics, but not longer than this."""
        if self.up:
            self._answered.clear()
            self._ping(metrics=True)
            try:
                await asyncio.wait_for(self._answered.wait(), patience_s)
            except asyncio.TimeoutError:
                return

    # --- frames -----------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        self._silent = 0
        if frame.kind == Kind.REPORT and self.up:
            self._take_report(frame)
        elif frame.kind == Kind.PONG and self.up:
            self._take_pong(on_pipe.read_pong(frame))
        elif frame.kind == Kind.LINES:
            lines, dropped = on_pipe.read_lines(frame)
            self._log.add_lines(lines, max(0, dropped - self._dropped))
            self._dropped = dropped
        elif frame.kind == Kind.READY and not self.up:
            self._take_ready(on_pipe.read_ready(frame))
        elif frame.kind == Kind.FAILED and not self.up:
            self._end(on_pipe.one_line(on_pipe.read_failed(frame).reason))
        else:
            raise BadFrame(f"a frame of kind {frame.kind} that is not expected now")

    def _take_ready(self, ready: Ready) -> None:
        known = self.ready
        if known is not None and known.table.bundle_hash != ready.table.bundle_hash:
            self._end("the bundle on the disk has changed; restart the agent to use it")
            return
        self.ready, self.up = ready, True
        self.times_up += 1
        self._came_up.set()
        self._events.on_up(self)

    def _take_report(self, frame: Frame) -> None:
        report = on_pipe.read_report(frame)
        _check_load(report.load)
        self.load = report.load
        self._events.on_load(self)
        for edge_id, credits in report.grants:
            if credits < 0:
                raise BadFrame(f"{credits} credits")
            self._events.on_grant(self, edge_id, credits)
        for message in report.messages:
            _check_reply(message.reply)
            self._forward(message)

    def _forward(self, message: TaskMessage) -> None:
        key, end = self._keys.get(message.number), message.end
        if key is None:
            return  # its client is gone
        if end is not None:
            self._forget(key)
            self.ends[end.message, self._exit_of(end)] += 1
        self._events.on_message(self, key, message.reply, end)

    def _exit_of(self, end: TaskEnd) -> str:
        """Return the exit that answered; empty for other ends."""
        if end.message != "result":
            return ""
        if self.table is None or all(exit_.name != end.detail for exit_ in self.table.exits):
            raise BadFrame("a result of an exit that the bundle does not have")
        return end.detail

    def _take_pong(self, pong: Pong) -> None:
        if pong.metrics is not None:
            self.metrics = pong.metrics
            self._answered.set()
        if pong.stuck:
            thread = on_pipe.one_line(pong.stuck)
            self._end(f"it hangs: its thread {thread!r} makes no progress")


def _check_load(load: WorkerLoad) -> None:
    figures = (load.reported_ns, load.queue_ns, load.tasks, load.received)
    if min(figures) < 0 or not 0 < load.slowdown < math.inf:
        raise BadFrame("a load with a figure below 0")


def _check_reply(reply: bytes) -> None:
    try:
        cloud_pb2.SessionReply.FromString(reply)
    except DecodeError:
        raise BadFrame("a message that no client can read") from None


async def _exit_of(process: asyncio.subprocess.Process) -> str:
    """Return how a process has ended whose pipe has."""
    try:
        code = await asyncio.wait_for(process.wait(), EXIT_S)
    except asyncio.TimeoutError:
        return "it closed its pipe"
    if code >= 0:
        return f"it exited with code {code}"
    return f"it was killed by {signal.Signals(-code).name}"
