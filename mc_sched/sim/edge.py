"""The simulator's driver of an edge machine: what `edge_agent` does, in virtual time.

It performs the machine's actions and feeds what happened, and decides nothing. Progress of the
local net, layer by layer, is noted and fed just before the next event that matters, as in the
agent. Left out, since it never comes first: the timeout of a call, which is a second behind the
deadline, and the machine gives every call up by then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.events import TimerKind
from mc_sched.core.payloads import payload_bytes
from mc_sched.core.task import Outcome, Prediction, Site, Task
from mc_sched.obs.report.summary import TaskResult
from mc_sched.sim.call import Call
from mc_sched.sim.certainty import entropy_by_rank, with_thresholds
from mc_sched.sim.clock import Appointment, Clock
from mc_sched.sim.cloud import SimCloud
from mc_sched.sim.machine_driver import MachineDriver, Performers, Recorder
from mc_sched.sim.radio_link import CONTROL_BYTES, RadioLink, Transfer
from mc_sched.sim.spec import EdgeSpec
from mc_sched.sim.truth import Truth
from mc_sched.sim.watcher import Watcher

GIVE_UP_GRACE_NS = 1_000_000_000
"""How long the cloud may take to confirm a give-up before the call is cut, as in the agent."""
LOCAL_NET, ENCODER = 0, -2
"""The local net's number in the truth; the encoder's among the pieces of work."""
_LAST = (do.Refuse, do.Reply, do.Stop)


class _LocalRun:
    """A run of the local net: when each of its layers will be done, and what is to happen then."""

    __slots__ = ("done", "ends_ns", "task_id")

    def __init__(self, task_id: str, ends_ns: list[int], done: Appointment) -> None:
        self.task_id, self.ends_ns, self.done = task_id, ends_ns, done


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
        self.edge_id, self.link, self.truth = spec.edge_id, link, truth
        self._clock, self._sink = clock, sink
        self._spec, self._cloud = spec, cloud
        self._table = with_thresholds(spec.table, None if cloud is None else cloud.table)
        self._entropies = entropy_by_rank(self._table.thresholds)
        self.machine = EdgeMachine(spec.settings, self._table)
        self._reported = [ops > 0 for ops in spec.table.layer_ops]
        self._arrivals: Iterator[Task] = spec.arrivals()
        self._submitted = 0
        self._arriving = True
        self._tasks: dict[str, tuple[int, Task]] = {}
        """The open ones, with the number of their image."""
        self._noted: deque[ev.EdgeEvent] = deque()
        self._timers: dict[tuple[str, TimerKind], Appointment] = {}
        self._calls: dict[str, Call] = {}
        self._run: _LocalRun | None = None
        self._watcher = None if cloud is None else Watcher(clock, self, cloud)
        performers: Performers = {
            do.StartLocal: self._start_local,
            do.AbortLocal: self._abort_local,
            do.Encode: self._encode,
            do.SendToCloud: self._send,
            do.SendGiveUp: self._give_up,
            do.SendProbe: self._probe,
            do.SetTimer: self._set_timer,
            do.CancelTimer: self._cancel_timer,
            do.Finish: self._finish,
        }
        self._feed = MachineDriver(self.edge_id, self.machine.handle, performers, record).feed

    def start(self) -> None:
        """Meet the cloud agent and await the first task."""
        if self._watcher is not None:
            self._watcher.start()
        self._await_next()

    @property
    def is_over(self) -> bool:
        """Whether every task has come and gone."""
        return not self._arriving and not self._calls and self.machine.is_idle

    # --- arrivals -----------------------------------------------------------------------------

    def _await_next(self) -> None:
        task = next(self._arrivals, None)
        if task is None:
            self._arriving = False
        else:
            self._clock.at(task.submitted_ns + self._spec.admission_ns, self._submit, task)

    def _submit(self, task: Task) -> None:
        self._tasks[task.task_id] = (self._submitted, task)
        self._submitted += 1
        self.handle(ev.Submitted(self._clock.now_ns, task))
        self._await_next()

    # --- the machine --------------------------------------------------------------------------

    def handle(self, event: ev.EdgeEvent) -> None:
        """Feed one event, behind what was noted until now, and perform what it calls for."""
        noted = self._noted
        while noted and noted[0].now_ns <= event.now_ns:
            self._feed(noted.popleft())
        self._feed(event)

    def _set_timer(self, action: do.SetTimer) -> None:
        if action.kind is TimerKind.PROBE and self.is_over:
            return  # the stream is over: probes alone do not keep the world running
        key = (action.task_id, action.kind)
        self._timers[key] = self._clock.at(action.at_ns, self._fire, key)

    def _cancel_timer(self, action: do.CancelTimer) -> None:
        appointment = self._timers.pop((action.task_id, action.kind), None)
        if appointment is not None:
            self._clock.cancel(appointment)

    def _fire(self, key: tuple[str, TimerKind]) -> None:
        del self._timers[key]
        self.handle(ev.TimerFired(self._clock.now_ns, *key))

    def _probe(self, action: do.SendProbe) -> None:
        assert self._watcher is not None
        self._watcher.probe(action)

    def _finish(self, action: do.Finish) -> None:
        outcome = action.outcome
        image, _ = self._tasks.pop(outcome.task_id)
        submitted_s = (self._clock.now_ns - outcome.latency_ns) / 1e9
        self._sink(TaskResult(outcome, self._is_right(outcome, image), submitted_s=submitted_s))

    def _is_right(self, outcome: Outcome, image: int) -> bool | None:
        if outcome.prediction is None or outcome.exit is None:
            return None
        if outcome.site is Site.EDGE:
            net, accuracy = self._net_here(outcome.exit)
            return self.truth.is_right(image, net, accuracy)
        assert self._cloud is not None
        accuracy = self._cloud.table.exit_named(outcome.exit).accuracy[outcome.codec or "jpeg"]
        return self.truth.is_right(image, self._cloud.nets[outcome.exit], accuracy)

    def _net_here(self, exit_: str) -> tuple[int, float]:
        """Number in the truth, and accuracy, of what runs on the device under this name."""
        net = self._table.whole
        if net is None or exit_ not in net.exit_names:
            return LOCAL_NET, self._table.accuracy
        return net.exit_names.index(exit_) + 1, net.exit_named(exit_).accuracy["jpeg"]

    # --- the device ---------------------------------------------------------------------------

    def _start_local(self, action: do.StartLocal) -> None:
        now_ns, task_id = self._clock.now_ns, action.task_id
        image = self._tasks[task_id][0]
        slowdown, pieces_ns = self._spec.device.slowdown.at(now_ns), self._pieces_ns(action.exit)
        factors = self._spec.device.noise.factors_of(image, len(pieces_ns))
        straying = zip(pieces_ns, factors, strict=True)
        took_ns = [int(ns * slowdown * factor) for ns, factor in straying]
        ends_ns = list(accumulate(took_ns, initial=now_ns))[1:]
        self._noted.append(ev.LocalStarted(now_ns, task_id))
        if not action.exit:
            self._note_layers(task_id, ends_ns)
        entropies = () if action.exit else self._entropies
        net, accuracy = self._net_here(action.exit)
        prediction = self.truth.answer(image, net, accuracy, entropies)
        done = self._clock.at(ends_ns[-1], self._local_done, task_id, prediction)
        self._run = _LocalRun(task_id, ends_ns, done)

    def _pieces_ns(self, exit_: str) -> tuple[int, ...]:
        """Profiled times of the local net's layers, or of the cloud net's pieces up to an exit."""
        if not exit_:
            return self._table.layer_ns
        net = self._table.whole
        assert net is not None
        end = net.exit_named(exit_)
        return (*net.stage_ns[: end.stage + 1], end.head_ns)

    def _note_layers(self, task_id: str, ends_ns: list[int]) -> None:
        for layer, end_ns in enumerate(ends_ns):
            if self._reported[layer]:
                self._noted.append(ev.LocalLayerDone(end_ns, task_id, layer))

    def _local_done(self, task_id: str, prediction: Prediction) -> None:
        self._run = None
        self.handle(ev.LocalDone(self._clock.now_ns, task_id, prediction))

    def _abort_local(self, action: do.AbortLocal) -> None:
        """Stop at the next layer boundary; behind the last layer the answer is there."""
        run = self._run
        assert run is not None
        assert run.task_id == action.task_id
        boundary = bisect_left(run.ends_ns, self._clock.now_ns)
        if boundary == len(run.ends_ns) - 1:
            return
        end_ns = run.ends_ns[boundary]
        self._clock.cancel(run.done)
        self._noted = deque(event for event in self._noted if event.now_ns <= end_ns)
        self._run = None
        self._clock.at(end_ns, self._local_aborted, action.task_id)

    def _local_aborted(self, task_id: str) -> None:
        self.handle(ev.LocalAborted(self._clock.now_ns, task_id))

    def _encode(self, action: do.Encode) -> None:
        now_ns, image = self._clock.now_ns, self._tasks[action.task_id][0]
        profiled_ns = self._table.encode_ns[action.codec]
        took_ns = self._spec.device.took_ns(profiled_ns, image, ENCODER, now_ns)
        self._clock.at(now_ns + took_ns, self._encoded, action.task_id, took_ns)

    def _encoded(self, task_id: str, took_ns: int) -> None:
        self.handle(ev.Encoded(self._clock.now_ns, task_id, took_ns))

    # --- calls to the cloud -------------------------------------------------------------------

    def _send(self, action: do.SendToCloud) -> None:
        assert self._cloud is not None
        received = self._cloud.received
        call = Call(self, action, self._tasks[action.task_id][0])
        call.transfer = Transfer(self._payload_bytes(action), lambda: received(call))
        self._calls[action.task_id] = call
        self.link.send(call.transfer)

    def _payload_bytes(self, action: do.SendToCloud) -> int:
        assert self._cloud is not None
        task = self._tasks[action.task_id][1]
        return payload_bytes(task, action.codec, self._cloud.table)

    def _give_up(self, action: do.SendGiveUp) -> None:
        """Tell the cloud to stop; cut an upload that is still running."""
        call = self._calls.get(action.task_id)
        if call is None:
            return
        assert self._cloud is not None
        call.given_up = True
        self._clock.at(self.link.control_ns(CONTROL_BYTES), self._cloud.give_up, call)
        if call.accepted:
            self._clock.at(self._clock.now_ns + GIVE_UP_GRACE_NS, self._cut, call)
        else:
            self._hang_up(call)
            self._clock.at(self._clock.now_ns, self._upload_stopped, action.task_id)

    def _upload_stopped(self, task_id: str) -> None:
        self.handle(ev.CloudStopped(self._clock.now_ns, task_id, "the upload was stopped"))

    def cut_calls(self) -> None:
        """The cloud agent is lost, and with it all calls."""
        for call in list(self._calls.values()):
            self._clock.at(self._clock.now_ns, self._cut, call)

    def _cut(self, call: Call) -> None:
        if call.is_open:
            self._hang_up(call)
            self.handle(
                ev.CloudLost(self._clock.now_ns, call.action.task_id, "the connection was cut")
            )

    def _hang_up(self, call: Call) -> None:
        assert self._cloud is not None
        assert call.transfer is not None
        self._closed(call)
        self.link.drop(call.transfer)
        self._clock.at(self.link.control_ns(CONTROL_BYTES), self._cloud.hang_up, call)

    def _closed(self, call: Call) -> None:
        call.is_open = False
        del self._calls[call.action.task_id]

    # --- words from the cloud -----------------------------------------------------------------

    def accepted(self, call: Call, action: do.Accept, held_ns: int) -> None:
        """The cloud has the whole payload and works on it."""
        if call.is_open:
            call.accepted = True
            self.handle(
                ev.CloudAccepted(
                    self._clock.now_ns, call.action.task_id, action.exit, action.predicted_ns,
                    action.queue_ns, held_ns, call.transfer_ns,
                )
            )  # fmt: skip

    def lost(self, call: Call, reason: str) -> None:
        """The call broke."""
        if call.is_open:
            self._closed(call)
            self.handle(ev.CloudLost(self._clock.now_ns, call.action.task_id, reason))

    def told(
        self, call: Call, action: do.Progress | do.Refuse | do.Reply | do.Stop, held_ns: int
    ) -> None:
        """Any other word of the cloud on this task, `held_ns` after that of its acceptance."""
        if not call.is_open:
            return
        if isinstance(action, _LAST):
            self._closed(call)
        self.handle(self._event_of(call.action.task_id, action, held_ns))

    def _event_of(
        self, task_id: str, action: do.Progress | do.Refuse | do.Reply | do.Stop, held_ns: int
    ) -> ev.EdgeEvent:
        now_ns = self._clock.now_ns
        if isinstance(action, do.Reply):
            return ev.CloudReplied(
                now_ns, task_id, action.exit, action.prediction, action.compute_ns,
                action.queue_ns, action.slowdown, REPLY_BYTES, held_ns,
            )  # fmt: skip
        if isinstance(action, do.Progress):
            return ev.CloudProgressed(now_ns, task_id, action.stage, action.remaining_ns)
        if isinstance(action, do.Refuse):
            return ev.CloudRefused(now_ns, task_id, action.reason)
        return ev.CloudStopped(now_ns, task_id, action.reason, action.compute_ns, action.failed)
