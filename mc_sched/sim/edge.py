"""The simulator's driver of an edge machine: what `edge_agent` does, in virtual time.

It performs the machine's actions and reports what happened as events. It makes no decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import TimerKind
from mc_sched.core.task import Outcome, Site, Task
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.arrivals import OpenTask
from mc_sched.sim.clock import Appointment, Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.cloud_client import CloudClient
from mc_sched.sim.entropy import with_thresholds
from mc_sched.sim.executor import Executor
from mc_sched.sim.machine_driver import MachineDriver, Performers, Recorder
from mc_sched.sim.radio_link import RadioLink
from mc_sched.sim.spec import EdgeSpec
from mc_sched.sim.truth import Truth
from mc_sched.sim.watcher import Watcher


class SimEdge:
    """Drives one edge machine and its stream of tasks."""

    def __init__(
        self,
        clock: Clock,
        spec: EdgeSpec,
        link: RadioLink,
        cloud: SimCloud | None,
        truth: Truth,
        sink: Callable[[TaskResult], None],
        record: Recorder | None,
    ) -> None:
        self._clock, self._truth, self._sink = clock, truth, sink
        self._admission_ns = spec.admission_ns
        self._arrivals: Iterator[Task] = spec.arrivals()
        self._submitted = 0
        self._arriving = True
        self._tasks: dict[str, OpenTask] = {}
        self._timers: dict[tuple[str, TimerKind], Appointment] = {}
        table = with_thresholds(spec.table, None if cloud is None else cloud.table)
        self._machine = EdgeMachine(spec.settings, table)
        self._executor = Executor(clock, spec.device, table, truth, self._tasks, self._handle)
        performers: Performers = {
            do.StartLocal: self._executor.start,
            do.AbortLocal: self._executor.abort,
            do.Encode: self._executor.encode,
            do.SetTimer: self._set_timer,
            do.CancelTimer: self._cancel_timer,
            do.Finish: self._finish,
        }
        self._client: CloudClient | None = None
        self._watcher: Watcher | None = None
        if cloud is not None:
            client = CloudClient(clock, spec.edge_id, link, cloud, truth, self._tasks, self._handle)
            watcher = Watcher(clock, client, self._handle, self._is_over)
            performers[do.SendToCloud] = client.send
            performers[do.SendGiveUp] = client.give_up
            performers[do.SendProbe] = watcher.probe
            self._client, self._watcher = client, watcher
        self._feed = MachineDriver(spec.edge_id, self._machine.handle, performers, record).feed

    def start(self) -> None:
        """Look for the cloud agent and wait for the first task."""
        if self._watcher is not None:
            self._watcher.start()
        self._await_next()

    def _is_over(self) -> bool:
        """Return True if every task has arrived and ended."""
        client_idle = self._client is None or self._client.is_idle
        return not self._arriving and client_idle and self._machine.is_idle

    # --- arrivals -----------------------------------------------------------------------------

    def _await_next(self) -> None:
        task = next(self._arrivals, None)
        if task is None:
            self._arriving = False
        else:
            self._clock.at(task.submitted_ns + self._admission_ns, self._submit, task)

    def _submit(self, task: Task) -> None:
        self._tasks[task.task_id] = OpenTask(self._submitted, task)
        self._submitted += 1
        self._handle(ev.Submitted(self._clock.now_ns, task))
        self._await_next()

    # --- the machine --------------------------------------------------------------------------

    def _handle(self, event: ev.EdgeEvent) -> None:
        """Feed the executor's progress until now, then the event, and perform the actions."""
        executor = self._executor
        while executor.progress and executor.progress[0].now_ns <= event.now_ns:
            self._feed(executor.progress.popleft())
        self._feed(event)

    def _set_timer(self, action: do.SetTimer) -> None:
        if action.kind is TimerKind.PROBE and self._is_over():
            return  # the stream is over: probes alone do not keep the world running
        key = (action.task_id, action.kind)
        self._timers[key] = self._clock.at(action.at_ns, self._fire, key)

    def _cancel_timer(self, action: do.CancelTimer) -> None:
        appointment = self._timers.pop((action.task_id, action.kind), None)
        if appointment is not None:
            self._clock.cancel(appointment)

    def _fire(self, key: tuple[str, TimerKind]) -> None:
        del self._timers[key]
        self._handle(ev.TimerFired(self._clock.now_ns, *key))

    def _finish(self, action: do.Finish) -> None:
        outcome = action.outcome
        image = self._tasks.pop(outcome.task_id).image
        submitted_s = (self._clock.now_ns - outcome.latency_ns) / 1e9
        self._sink(TaskResult(outcome, self._is_right(outcome, image), submitted_s=submitted_s))

    def _is_right(self, outcome: Outcome, image: int) -> bool | None:
        if outcome.prediction is None or outcome.exit is None:
            return None
        if outcome.site is Site.EDGE:
            net, accuracy = self._executor.net(outcome.exit)
            return self._truth.is_right(image, net, accuracy)
        assert self._client is not None
        return self._client.is_right(outcome, image)
