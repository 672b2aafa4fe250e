"""Performs the edge machine's actions and feeds it events, on the agent's loop.

Waking the loop interrupts a running inference. So an event that no decision waits for is noted, and
delivered in order, with its own time, just before the next event that is reported at once.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from edge_agent.admission import Admitted
from edge_agent.encoder import PayloadEncoder
from edge_agent.executor import LocalExecutor
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.edge.snapshot import EdgeSnapshot
from mc_sched.core.errors import MachineError
from mc_sched.core.events import TimerKind
from mc_sched.core.task import Outcome, OutcomeKind, Task
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.log.moments import CloudStory
from mc_sched.obs.metrics.edge import EdgeMetricsInput

OFFLOAD_ENDS = (ev.CloudReplied, ev.CloudRefused, ev.CloudStopped, ev.CloudLost)
REMEMBERED_IMAGES = 64
"""Finished tasks whose image is kept, so that a "not satisfied" can run it again."""


@dataclass(frozen=True)
class BadImage:
    """End of a task whose image turned out to be damaged when it was decoded."""

    reason: str
    """A sentence that says what to change."""


Done = Callable[[Outcome | BadImage], None]
"""Receives the end of a task, on the loop; called at most once."""


class Cloud(Protocol):
    """The cloud client as the driver uses it."""

    def send(self, action: do.SendToCloud, payload: bytes, trace_id: str = "") -> None:
        """Send a task to the cloud."""

    def give_up(self, task_id: str) -> None:
        """Tell the cloud to stop work on a task."""

    def probe(self, action: do.SendProbe) -> None:
        """Measure the link by one round trip."""


class EdgeDriver:
    """Connects machine, local executor, cloud client, timers and callers that wait for outcomes."""

    def __init__(
        self, machine: EdgeMachine, log: EventLog, prepare: Callable[[Any], torch.Tensor]
    ) -> None:
        self._machine = machine
        self._log = log
        self._prepare = prepare
        self._loop = asyncio.get_running_loop()
        self._noted: deque[ev.EdgeEvent] = deque()
        self._timers: dict[tuple[str, TimerKind], asyncio.TimerHandle] = {}
        self._images: dict[str, Admitted] = {}
        self._payloads: dict[str, bytes] = {}
        """Encoded payloads of open tasks, other than jpeg."""
        self._waiting: dict[str, Done] = {}
        self._finished: OrderedDict[str, tuple[Task, Admitted]] = OrderedDict()
        self._tasks: dict[str, Task] = {}
        self._executor: LocalExecutor | None = None
        self._encoder: PayloadEncoder | None = None
        self._cloud: Cloud | None = None
        self._on_cloud_state: Callable[[bool, str], None] = lambda up, why: None
        self._on_start: Callable[[int, int], None] = lambda wait_ns, deadline_ns: None
        self._unstarted: set[str] = set()
        """Open tasks that wait for their first site."""

    def attach(
        self,
        executor: LocalExecutor,
        cloud: Cloud | None,
        on_cloud_state: Callable[[bool, str], None] | None = None,
        encoder: PayloadEncoder | None = None,
        on_start: Callable[[int, int], None] | None = None,
    ) -> None:
        """Connect the workers.

        `on_cloud_state` is called with True when the cloud can be used, and with False and the
        reason when it no longer can. `on_start` is called once per task that starts at a site, with
        its wait and its deadline in ns, unless the task may fall back by a timer. The `encoder`
        must have `encoded` as its `report`.
        """
        self._executor, self._cloud, self._encoder = executor, cloud, encoder
        if on_cloud_state is not None:
            self._on_cloud_state = on_cloud_state
        if on_start is not None:
            self._on_start = on_start

    def report(self, event: ev.EdgeEvent) -> None:
        """Feed an event from another thread."""
        self._loop.call_soon_threadsafe(self.handle, event)

    def encoded(self, event: ev.Encoded | ev.EncodeFailed, payload: bytes) -> None:
        """Feed the end of an encoding, with its payload, from the encoder's thread."""
        self._loop.call_soon_threadsafe(self._on_encoded, event, payload)

    def _on_encoded(self, event: ev.Encoded | ev.EncodeFailed, payload: bytes) -> None:
        if isinstance(event, ev.Encoded) and event.task_id in self._tasks:
            self._payloads[event.task_id] = payload
        self.handle(event)

    def note(self, event: ev.EdgeEvent) -> None:
        """Feed an event from another thread together with the next one that is handled."""
        self._noted.append(event)

    def handle(self, event: ev.EdgeEvent) -> None:
        """Feed one event, on the loop's thread, and perform the machine's actions."""
        self._feed_noted(event.now_ns)
        if isinstance(event, (ev.LocalFailed, ev.EncodeFailed)):
            self._end_damaged(event.task_id)
        self._feed(event)

    def _feed_noted(self, now_ns: int) -> None:
        while self._noted and self._noted[0].now_ns <= now_ns:
            self._feed(self._noted.popleft())

    def _feed(self, event: ev.EdgeEvent) -> None:
        self._log.write(event.now_ns, "event", event)
        try:
            actions = self._machine.handle(event)
        except MachineError as error:
            self._fail(event, error)
            return
        for action in actions:
            self._log.write(event.now_ns, "action", action)
            self._perform(action)
        if isinstance(event, ev.CloudFound):
            self._on_cloud_state(True, "")
        elif isinstance(event, ev.CloudGone):
            self._on_cloud_state(False, event.reason)

    # --- clients ----------------------------------------------------------------------------

    def known(self, task_id: str) -> bool:
        """Return True if a task of this id is open."""
        return task_id in self._waiting

    def submit(self, task: Task, image: Admitted, done: Done) -> None:
        """Run one task; `done` is called with its end, perhaps before this returns."""
        self._run(ev.Submitted(time.monotonic_ns(), task), task, image, done)

    def leave(self, task_id: str) -> None:
        """Stop the work on a task that nobody waits for any more."""
        if task_id in self._waiting:
            self._waiting[task_id] = _ignore
            self.handle(ev.ClientGone(time.monotonic_ns(), task_id))

    async def again(self, task_id: str) -> Outcome | None:
        """Run the image of a finished task at a higher QoR; None if it is forgotten.

        Cancelling the call means that the client has left.
        """
        found = self._finished.get(task_id)
        if found is None:
            return None
        now_ns = time.monotonic_ns()
        again = replace(found[0], task_id=self._free_id(task_id), submitted_ns=now_ns)
        waiting: asyncio.Future[Outcome] = self._loop.create_future()

        def done(end: Outcome | BadImage) -> None:
            if not waiting.done() and isinstance(end, Outcome):
                waiting.set_result(end)

        self._run(ev.NotSatisfied(now_ns, task_id, again), again, found[1], done)
        try:
            return await waiting
        except asyncio.CancelledError:
            self.leave(again.task_id)
            raise

    def _free_id(self, task_id: str) -> str:
        """Return an id for another run of `task_id`: the first of +1, +2, .. that is free."""
        names = (f"{task_id}+{number}" for number in itertools.count(1))
        return next(n for n in names if n not in self._waiting and n not in self._finished)

    def _run(self, event: ev.EdgeEvent, task: Task, image: Admitted, done: Done) -> None:
        task_id = task.task_id
        self._waiting[task_id], self._images[task_id], self._tasks[task_id] = done, image, task
        self._unstarted.add(task_id)
        self._log.note_trace(task_id, task.trace_id)
        self.handle(event)

    def snapshot(self) -> EdgeSnapshot:
        """Return the state that `mc-sched status` shows."""
        now_ns = time.monotonic_ns()
        self._feed_noted(now_ns)
        return self._machine.snapshot(now_ns)

    def metrics_input(self, rails_w: Mapping[str, float]) -> EdgeMetricsInput:
        """Return the state that the metrics are computed from."""
        machine, dropped, has_cloud = self._machine, self._log.dropped, self._cloud is not None
        snapshot, tally, took = self.snapshot(), machine.tally(), machine.took()
        return EdgeMetricsInput(snapshot, tally, took, rails_w, dropped, has_cloud)

    def log_story(self, story: CloudStory) -> None:
        """Log the cloud's part of a task's story."""
        self._log.write(time.monotonic_ns(), "note", story)

    @property
    def progressing(self) -> bool:
        """True unless a worker is stuck; raises if the machine does not answer."""
        self.snapshot()
        workers = (worker for worker in (self._executor, self._encoder) if worker is not None)
        return all(worker.heartbeat.steady for worker in workers)

    async def drain(self) -> None:
        """Refuse new tasks and wait until the open ones have ended."""
        self.handle(ev.Drain(time.monotonic_ns()))
        while self._waiting or not self._machine.is_idle:
            await asyncio.sleep(0.02)

    # --- actions ----------------------------------------------------------------------------

    def _perform(self, action: do.EdgeAction) -> None:
        if isinstance(action, do.StartLocal):
            assert self._executor is not None
            self._note_start(action.task_id)
            image = self._images[action.task_id]
            self._executor.start(action.task_id, lambda: self._prepare(image.pixels), action.exit)
        elif isinstance(action, do.AbortLocal):
            assert self._executor is not None
            self._executor.abort(action.task_id)
        elif isinstance(action, do.Encode):
            assert self._encoder is not None
            image = self._images[action.task_id]
            self._encoder.start(action.task_id, action.codec, image)
        elif isinstance(action, do.SendToCloud):
            assert self._cloud is not None
            self._note_start(action.task_id)
            trace_id = self._tasks[action.task_id].trace_id
            self._cloud.send(action, self._payload(action), trace_id)
        elif isinstance(action, do.SendGiveUp):
            assert self._cloud is not None
            self._cloud.give_up(action.task_id)
        elif isinstance(action, do.SendProbe):
            assert self._cloud is not None
            self._cloud.probe(action)
        elif isinstance(action, do.SetTimer):
            if action.kind is TimerKind.FALLBACK:
                # it may wait for the cloud until its latest start: no sign of load on this device
                self._unstarted.discard(action.task_id)
            self._set_timer(action)
        elif isinstance(action, do.CancelTimer):
            self._timers.pop((action.task_id, action.kind)).cancel()
        elif isinstance(action, do.Finish):
            self._finish(action.outcome)

    def _note_start(self, task_id: str) -> None:
        """Measure the wait of a task that starts at its first site."""
        if task_id in self._unstarted:
            self._unstarted.discard(task_id)
            task = self._tasks[task_id]
            self._on_start(time.monotonic_ns() - task.submitted_ns, task.deadline_ns)

    def _payload(self, action: do.SendToCloud) -> bytes:
        encoded = self._payloads.get(action.task_id)
        payload = self._images[action.task_id].jpeg if action.codec == "jpeg" else encoded
        assert payload is not None, f"no {action.codec} payload"
        return payload

    def _set_timer(self, action: do.SetTimer) -> None:
        key = (action.task_id, action.kind)
        delay_s = max(0, action.at_ns - time.monotonic_ns()) / 1e9
        self._timers[key] = self._loop.call_later(delay_s, self._fire, *key)

    def _fire(self, task_id: str, kind: TimerKind) -> None:
        del self._timers[(task_id, kind)]
        self.handle(ev.TimerFired(time.monotonic_ns(), task_id, kind))

    def _finish(self, outcome: Outcome) -> None:
        if outcome.task_id not in self._tasks:
            return  # it ended when the machine raised an error, or its image was damaged
        task, image, done = self._forget(outcome.task_id)
        self._finished[outcome.task_id] = (task, image)
        if len(self._finished) > REMEMBERED_IMAGES:
            self._finished.popitem(last=False)
        done(outcome)

    def _forget(self, task_id: str) -> tuple[Task, Admitted, Done]:
        """Remove an open task; return it with its image and the one who waits for its end."""
        self._payloads.pop(task_id, None)
        self._unstarted.discard(task_id)
        return self._tasks.pop(task_id), self._images.pop(task_id), self._waiting.pop(task_id)

    def _end_damaged(self, task_id: str) -> None:
        """End a task whose image could not be decoded; the machine ends it as well."""
        image = self._images.get(task_id)
        if image is not None and image.damage:
            _, _, done = self._forget(task_id)
            done(BadImage(image.damage))
            self._feed(ev.ClientGone(time.monotonic_ns(), task_id))

    def _fail(self, event: ev.EdgeEvent, error: MachineError) -> None:
        """Log an error of the machine and end the task that the event is about as failed."""
        self._log.write(event.now_ns, "note", {"error": str(error)}, "critical")
        about = getattr(event, "task", None) or getattr(event, "again", None) or event
        task_id = getattr(about, "task_id", "")
        task = self._tasks.get(task_id)
        if task is None:
            return
        latency_ns = event.now_ns - task.submitted_ns
        reason = "internal error of the agent; see its event log"
        self._finish(
            Outcome(task_id, task.stream_id, OutcomeKind.FAILED, latency_ns, reason=reason)
        )
        # the machine must end the task as well; no caller waits for that outcome
        self._feed(ev.ClientGone(event.now_ns, task_id))
        if isinstance(event, OFFLOAD_ENDS):
            self._feed(ev.CloudLost(event.now_ns, task_id, "the reply could not be processed"))


def _ignore(end: Outcome | BadImage) -> None:
    """Take the end of a task that nobody waits for."""
