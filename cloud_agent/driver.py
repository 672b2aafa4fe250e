"""Performs the cloud machine's actions, and reports what happened as events.

One thread at a time enters the machine: the loop brings payloads and give-ups, the decoder's
thread brings decoded payloads, and the executor's thread brings finished stages. Messages for the
edge go out through the loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping

import grpc

from cloud_agent.calls import LAST, Call, CallError, Message
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.executor import StageExecutor
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.errors import MachineError
from mc_sched.obs.log.event_log import EventLog, Kind
from mc_sched.obs.log.moments import moment_of
from mc_sched.obs.metrics.cloud import CloudMetricsInput

LOCK_PATIENCE_S = 1.0
"""Longest wait for the machine's lock; an event holds it for milliseconds at most."""


class CloudDriver:
    """Joins machine, decoder, executor and calls."""

    def __init__(self, machine: CloudMachine, log: EventLog) -> None:
        self._machine = machine
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lock = threading.RLock()
        self._decoder: PayloadDecoder | None = None
        self._executor: StageExecutor | None = None
        self._unfinished: set[str] = set()
        """Tasks that the machine has not ended yet; their calls may be over."""
        self.calls: dict[str, Call] = {}
        self.draining = False
        self._outcomes: Counter[tuple[str, ...]] = Counter()

    def attach(self, decoder: PayloadDecoder, executor: StageExecutor) -> None:
        """Set the decoder and the executor, which report to this driver's `handle`."""
        self._decoder, self._executor = decoder, executor

    @property
    def decoder(self) -> PayloadDecoder:
        """The attached decoder."""
        assert self._decoder is not None
        return self._decoder

    @property
    def executor(self) -> StageExecutor:
        """The attached executor."""
        assert self._executor is not None
        return self._executor

    def handle(self, event: ev.CloudEvent) -> None:
        """Hand one event to the machine and perform its actions; from any thread."""
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
        """Return the values of which the metrics are made; from any thread."""
        with self._lock:
            machine, load = self._machine, self._machine.load(time.monotonic_ns())
            outcomes = dict(self._outcomes)
            return CloudMetricsInput(
                load, machine.reliability(), machine.took(), outcomes, rails_w, self._log.dropped
            )

    def _write(self, now_ns: int, kind: Kind, value: ev.CloudEvent | do.CloudAction) -> None:
        """Write into the log, and into the story of the task that the value is about."""
        self._log.write(now_ns, kind, value)
        for task_id in getattr(value, "task_ids", None) or (getattr(value, "task_id", ""),):
            call = self.calls.get(task_id)
            moment = moment_of(value, now_ns - call.opened_ns) if call is not None else None
            if call is not None and moment is not None:
                call.story.append(moment)

    def load(self) -> CloudLoad:
        """Return the load that a probe's answer reports."""
        with self._lock:
            return self._machine.load(time.monotonic_ns())

    def open(self, key: str, call: Call, max_calls: int) -> None:
        """Register a task's call; CallError if its id is in use or too many calls are open."""
        with self._lock:
            if key in self.calls or key in self._unfinished:
                raise CallError(grpc.StatusCode.ALREADY_EXISTS, f"task {key} is open already")
            if len(self.calls) >= max_calls:
                raise CallError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"overload: {max_calls} calls are open already",
                )
            self._log.note_trace(key, call.trace_id)
            self.calls[key] = call

    def receive(self, event: ev.Received, payload: bytes) -> None:
        """Hand a task with its whole payload to the machine."""
        with self._lock:
            self._unfinished.add(event.task_id)
            self.decoder.hold(event.task_id, payload)
            self.handle(event)

    def post(self, call: Call, message: Message) -> None:
        """Put a message into the call's mailbox, from any thread."""
        self._loop.call_soon_threadsafe(call.mailbox.put_nowait, message)

    def give_up(self, key: str, owner: str = "") -> bool:
        """Handle the edge's instruction to stop; return True if the task's call is open.

        `owner` is the name on the certificate of the sender. Tasks of other owners continue.
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
        """Forget a call that is over, whichever side ended it."""
        with self._lock:
            del self.calls[key]
            self.handle(ev.ClientGone(time.monotonic_ns(), key))

    @property
    def progressing(self) -> bool:
        """True if the machine's lock can be acquired and the executor is not stuck."""
        if not self._lock.acquire(timeout=LOCK_PATIENCE_S):
            return False
        self._lock.release()
        return not (self.decoder.stuck or self.executor.stuck)

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
            self.executor.run_head(action.task_ids, action.exit)
        elif isinstance(action, do.Decode):
            self.decoder.decode(action.task_id, action.codec)
        elif not isinstance(action, (do.RecordScore, do.Grant)):
            if isinstance(action, LAST):
                self._forget(action)
            call = self.calls.get(action.task_id)
            if call is not None:
                self.post(call, action)

    def _forget(self, action: do.Refuse | do.Reject | do.Reply | do.Stop) -> None:
        """Count a task's end and free its payload and its activations."""
        self._outcomes[type(action).__name__.lower(), getattr(action, "exit", "")] += 1
        self._unfinished.discard(action.task_id)
        self.decoder.drop(action.task_id)
        self.executor.drop(action.task_id)
