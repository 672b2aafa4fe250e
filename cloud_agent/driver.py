"""Performs what the cloud machine asks for, and feeds it what happened.

The machine is entered by one thread at a time: the loop brings give-ups, a preparing thread brings
arrivals, the executor's thread brings finished stages. Messages for the edge go out through the
loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from cloud_agent.executor import StageExecutor
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudLoad, CloudMachine
from mc_sched.core.errors import MachineError
from mc_sched.obs.log.event_log import EventLog, Kind
from mc_sched.obs.log.moments import Moment, moment_of
from mc_sched.obs.metrics.cloud import CloudMetricsInput

Message = do.Accept | do.Refuse | do.Progress | do.Reply | do.Stop | Exception
"""What the machine tells the edge; a ValueError says that the payload is no image."""
LAST = (do.Refuse, do.Reply, do.Stop)
"""Messages after which a call is over."""

LOCK_PATIENCE_S = 1.0
"""Nobody is in the machine for longer than milliseconds."""


@dataclass
class Call:
    """One Infer call: what the machine has to say to it, and whether it is still wanted."""

    owner: str = ""
    """The name on the certificate of who called; empty without one."""
    trace_id: str = ""
    """The trace that its task belongs to; empty for none."""
    opened_ns: int = field(default_factory=time.monotonic_ns)
    mailbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    given_up: bool = False
    receiving: asyncio.Future[bytes] | None = None
    received_ns: int = 0
    """When the payload's last byte was here."""
    accepted_ns: int = 0
    """When the word of its acceptance was written."""
    story: list[Moment] = field(default_factory=list)
    """What has happened to it here; goes home with the last word."""


class CloudDriver:
    """Joins machine, executor and calls."""

    def __init__(self, machine: CloudMachine, log: EventLog) -> None:
        self._machine = machine
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()
        self._executor: StageExecutor | None = None
        self.calls: dict[str, Call] = {}
        self.draining = False
        self._outcomes: Counter[tuple[str, ...]] = Counter()

    def attach(self, executor: StageExecutor) -> None:
        """The executor, whose `report` is this driver's `handle`."""
        self._executor = executor

    @property
    def executor(self) -> StageExecutor:
        """The attached executor."""
        assert self._executor is not None
        return self._executor

    def handle(self, event: ev.CloudEvent) -> None:
        """Feed one event, from any thread."""
        with self._lock:
            self._write(event.now_ns, "event", event)
            try:
                actions = self._machine.handle(event)
            except MachineError as error:
                self._log.write(event.now_ns, "note", {"error": str(error)}, "critical")
                return
            for action in actions:
                self._write(event.now_ns, "action", action)
                self._perform(action)

    def state(self, rails_w: Mapping[str, float]) -> CloudMetricsInput:
        """What metrics are made of; from any thread."""
        with self._lock:
            machine, load = self._machine, self._machine.load(time.monotonic_ns())
            outcomes = dict(self._outcomes)
            return CloudMetricsInput(
                load, machine.reliability(), machine.took(), outcomes, rails_w, self._log.dropped
            )

    def _write(self, now_ns: int, kind: Kind, value: ev.CloudEvent | do.CloudAction) -> None:
        """Into the log, and into the story of the task that it is about."""
        self._log.write(now_ns, kind, value)
        for task_id in getattr(value, "task_ids", None) or (getattr(value, "task_id", ""),):
            call = self.calls.get(task_id)
            moment = moment_of(value, now_ns - call.opened_ns) if call is not None else None
            if call is not None and moment is not None:
                call.story.append(moment)

    def load(self) -> CloudLoad:
        """What a probe is told."""
        with self._lock:
            return self._machine.load(time.monotonic_ns())

    def open(self, key: str, call: Call) -> None:
        """A task's call has come."""
        self._log.note_trace(key, call.trace_id)
        self.calls[key] = call

    def receive(self, event: ev.Received) -> bool:
        """A whole payload; whether it is to be decoded, or the task was refused."""
        with self._lock:
            self.handle(event)
            return self._machine.awaits(event.task_id)

    def wants(self, call: Call, key: str) -> bool:
        """Whether work on this call's task goes on, from any thread; a given-up one is told so."""
        with self._lock:
            is_open = self.calls.get(key) is call
            if is_open and call.given_up:
                self.post(call, do.Stop(key, "given up before its first stage", 0))
            return is_open and not call.given_up

    def arrive(self, call: Call, event: ev.Arrived, x: torch.Tensor) -> None:
        """A task with its prepared input, from any thread; an unwanted one goes no further."""
        with self._lock:
            if self.wants(call, event.task_id):
                self.executor.hold(event.task_id, x)
                self.handle(event)

    def post(self, call: Call, message: Message) -> None:
        """Have the call's handler see this message, from any thread."""
        self._loop.call_soon_threadsafe(call.mailbox.put_nowait, message)

    def is_open(self, key: str) -> bool:
        """Whether a task of this key has a call, or a stage that its last call left running."""
        with self._lock:
            return key in self.calls or self._machine.has(key)

    def give_up(self, key: str, owner: str = "") -> bool:
        """The edge no longer wants this task; whether anything was stopped by it.

        `owner`: the name on the certificate of who says so. Another's task is not touched.
        """
        with self._lock:
            call = self.calls.get(key)
            if call is None or call.owner != owner:
                return False
            call.given_up = True
            if call.receiving is not None:
                call.receiving.cancel()
            self.handle(ev.GiveUpReceived(time.monotonic_ns(), key))
            return True

    def hang_up(self, key: str) -> None:
        """The Infer call is over, whoever ended it."""
        with self._lock:
            del self.calls[key]
            self.handle(ev.ClientGone(time.monotonic_ns(), key))

    @property
    def progressing(self) -> bool:
        """Whether the machine can be entered and the executor is not stuck."""
        if not self._lock.acquire(timeout=LOCK_PATIENCE_S):
            return False
        self._lock.release()
        return self.executor.heartbeat.steady

    async def drain(self) -> None:
        """Refuse new tasks and wait until the running ones are over."""
        self.draining = True
        self.handle(ev.Drain(time.monotonic_ns()))
        while self.calls or not self._machine.is_idle:
            await asyncio.sleep(0.02)

    def _perform(self, action: do.CloudAction) -> None:
        if isinstance(action, do.RunStage):
            self.executor.run_stage(action.task_ids, action.stage)
        elif isinstance(action, do.RunHead):
            self.executor.run_head(action.task_id, action.exit)
        elif not isinstance(action, do.RecordScore):
            if isinstance(action, LAST):
                word = type(action).__name__.lower()
                self._outcomes[word, getattr(action, "exit", "")] += 1
                self.executor.drop(action.task_id)
            call = self.calls.get(action.task_id)
            if call is not None:
                self.post(call, action)
