"""Performs the cloud machine's actions, and reports what happened as events.

One thread at a time enters the machine: the receiver brings the front's tasks and events, the
decoders' threads bring decoded payloads, and the executor's thread brings finished stages. What
the machine says goes to the front in reports; the thread that caused a message also sends it, with
all that others have added meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from cloud_agent.pipe.messages import Report, WorkerMetrics, report_frame
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.executor import StageExecutor
from cloud_agent.worker.open_task import LAST, Message, OpenTask
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.errors import MachineError
from mc_sched.obs.log.event_log import EventLog, Kind

LOCK_PATIENCE_S = 1.0
"""Longest wait for the machine's lock; an event holds it for milliseconds at most."""


class WorkerDriver:
    """Joins machine, decoder, executor and the pipe."""

    def __init__(
        self,
        machine: CloudMachine,
        log: EventLog,
        send: Callable[[bytes], None],
        labels: Sequence[str],
        name: str,
    ) -> None:
        """`send` takes a frame for the front. `name` is the worker's, for people."""
        self._machine, self._log, self._send = machine, log, send
        self._labels, self._name = tuple(labels), name
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        """Held while a report is made and sent, so that reports leave in order."""
        self._decoder: PayloadDecoder | None = None
        self._executor: StageExecutor | None = None
        self._tasks: dict[str, OpenTask] = {}
        self._received = 0
        self._messages: list[tuple[OpenTask, Message]] = []
        self._grants: list[tuple[str, int]] = []
        self._granted: dict[str, int] = {}
        """Credits of each edge that has joined."""

    def attach(self, decoder: PayloadDecoder, executor: StageExecutor) -> None:
        """Set the decoder and the executor, which report to this driver's `report`."""
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

    # --- events -----------------------------------------------------------------------------

    def receive(self, number: int, event: ev.Received, payload: bytes, trace_id: str) -> None:
        """Hand a task of the front to the machine; its wait in the pipe costs its budget."""
        key, task = event.task_id, OpenTask.of(number, event)
        with self._lock:
            self._received += 1
            if key in self._tasks:
                reason = f"task {key} is open already"
                self._messages.append((task, do.Reject(key, reason, invalid=True)))
                return
            self._tasks[key] = task
            task.served_by = self._describe(event.edge_id)
            self._log.note_trace(key, trace_id)
            self.decoder.hold(key, payload)
            self.handle(_after_wait(event, time.monotonic_ns()))

    def _describe(self, edge_id: str) -> str:
        """Return the worker and the edge's credits, for a task's story."""
        credits = self._granted.get(edge_id)
        return self._name if credits is None else f"{self._name}, credits {credits}"

    def handle(self, event: ev.CloudEvent) -> None:
        """Hand one event to the machine and perform its actions; from any thread.

        `flush` sends the messages that follow.
        """
        with self._lock:
            self._write(event.now_ns, "event", event)
            if isinstance(event, ev.ClientGone) and event.task_id in self._tasks:
                self._tasks[event.task_id].gone = True
            elif isinstance(event, ev.EdgeLeft):
                self._granted.pop(event.edge_id, None)
            try:
                actions = self._machine.handle(event)
            except MachineError as error:
                self._log.write(event.now_ns, "note", {"error": str(error)}, "critical")
                return
            for action in actions:
                self._write(event.now_ns, "action", action)
                self._perform(action)

    def report(self, event: ev.CloudEvent) -> None:
        """Hand one event to the machine, and send what follows."""
        self.handle(event)
        self.flush()

    def _write(self, now_ns: int, kind: Kind, value: ev.CloudEvent | do.CloudAction) -> None:
        """Write into the log, and into the stories of the tasks that the value is about."""
        self._log.write(now_ns, kind, value)
        for key in getattr(value, "task_ids", None) or (getattr(value, "task_id", ""),):
            task = self._tasks.get(key)
            if task is not None:
                task.note(now_ns, value)

    def _perform(self, action: do.CloudAction) -> None:
        if isinstance(action, do.RunStage):
            self.executor.run_stage(action.task_ids, action.stage)
        elif isinstance(action, do.RunHead):
            self.executor.run_head(action.task_ids, action.exit)
        elif isinstance(action, do.Decode):
            self.decoder.decode(action.task_id, action.codec)
        elif isinstance(action, do.Grant):
            self._granted[action.edge_id] = action.credits
            self._grants.append((action.edge_id, action.credits))
        elif not isinstance(action, do.RecordScore):
            task = self._tasks[action.task_id]
            if not task.gone:
                self._messages.append((task, action))
            if isinstance(action, LAST):
                self._forget(action.task_id)

    def _forget(self, key: str) -> None:
        """Free a task's payload and its activations."""
        del self._tasks[key]
        self.decoder.drop(key)
        self.executor.drop(key)

    # --- reports to the front ---------------------------------------------------------------

    def flush(self) -> None:
        """Send the waiting messages, unless another thread does so; it sends these too."""
        while (self._messages or self._grants) and self._sending.acquire(blocking=False):
            try:
                self._send(report_frame(self._next_report()))
            finally:
                self._sending.release()

    def _next_report(self) -> Report:
        with self._lock:
            messages, self._messages = self._messages, []
            grants, self._grants = self._grants, []
            load = self._load()
        now_ns = time.monotonic_ns()
        encoded = [task.encode(action, self._labels, now_ns) for task, action in messages]
        return Report(load, encoded, grants)

    def _load(self) -> WorkerLoad:
        now_ns = time.monotonic_ns()
        load = self._machine.load(now_ns)
        return WorkerLoad(now_ns, load.queue_ns, load.slowdown, load.tasks, self._received)

    def metrics(self) -> WorkerMetrics:
        """Return the figures of which the metrics are made."""
        with self._lock:
            return WorkerMetrics(self._machine.reliability(), self._machine.took())

    def stuck(self) -> str:
        """Return the name of a thread that hangs or has died; empty if all work."""
        if not self._lock.acquire(timeout=LOCK_PATIENCE_S):
            return "machine"
        self._lock.release()
        return self.decoder.stuck or self.executor.stuck


def _after_wait(event: ev.Received, now_ns: int) -> ev.Received:
    """Return the event as it is now, with its time in the pipe off the task's budget."""
    waited_ns = max(0, now_ns - event.now_ns)
    reply_in_ns = event.reply_in_ns
    return replace(
        event,
        now_ns=now_ns,
        budget_ns=max(0, event.budget_ns - waited_ns),
        reply_in_ns=None if reply_in_ns is None else max(0, reply_in_ns - waited_ns),
    )
