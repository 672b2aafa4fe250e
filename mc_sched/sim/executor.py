"""The networks and the encoder of a simulated edge device.

The progress of the local net, layer by layer, is reported just before the next event that matters,
as in the agent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from itertools import accumulate

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.tables import LocalTable
from mc_sched.core.task import Prediction
from mc_sched.sim.arrivals import OpenTask
from mc_sched.sim.clock import Appointment, Clock
from mc_sched.sim.entropy import entropy_by_rank
from mc_sched.sim.spec import DeviceSpec
from mc_sched.sim.truth import Truth

LOCAL_NET, ENCODER = 0, -2
"""The local net's index in `Truth`; the encoder's number among the pieces of work."""


class _LocalRun:
    """A run of a network: when each of its layers ends, and the scheduled call at the end."""

    __slots__ = ("done", "ends_ns", "task_id")

    def __init__(self, task_id: str, ends_ns: list[int], done: Appointment) -> None:
        self.task_id, self.ends_ns, self.done = task_id, ends_ns, done


class Executor:
    """Runs one network at a time, and the encoder beside it."""

    def __init__(
        self,
        clock: Clock,
        device: DeviceSpec,
        table: LocalTable,
        truth: Truth,
        tasks: Mapping[str, OpenTask],
        handle: Callable[[ev.EdgeEvent], None],
    ) -> None:
        self._clock, self._device, self._table = clock, device, table
        self._truth, self._tasks, self._handle = truth, tasks, handle
        self._entropies = entropy_by_rank(table.thresholds)
        self._reported = [ops > 0 for ops in table.layer_ops]
        self._run: _LocalRun | None = None
        self.progress: deque[ev.EdgeEvent] = deque()
        """Starts and ends of layers that the machine has not seen yet, future ones included."""

    # --- networks -----------------------------------------------------------------------------

    def net(self, exit_: str) -> tuple[int, float]:
        """Return the index in `Truth` and the accuracy of what runs under this name."""
        net = self._table.cloud_net
        if net is None or exit_ not in net.exit_names:
            return LOCAL_NET, self._table.accuracy
        return net.exit_names.index(exit_) + 1, net.exit_named(exit_).accuracy["jpeg"]

    def start(self, action: do.StartLocal) -> None:
        """Start the local net, or the cloud net up to an exit."""
        now_ns, task_id = self._clock.now_ns, action.task_id
        image = self._tasks[task_id].image
        slowdown, pieces_ns = self._device.slowdown.at(now_ns), self._pieces_ns(action.exit)
        factors = self._device.noise.factors_of(image, len(pieces_ns))
        deviating = zip(pieces_ns, factors, strict=True)
        took_ns = [int(ns * slowdown * factor) for ns, factor in deviating]
        ends_ns = list(accumulate(took_ns, initial=now_ns))[1:]
        self.progress.append(ev.LocalStarted(now_ns, task_id))
        if not action.exit:
            self._add_layers(task_id, ends_ns)
        entropies = () if action.exit else self._entropies
        net, accuracy = self.net(action.exit)
        prediction = self._truth.answer(image, net, accuracy, entropies)
        done = self._clock.at(ends_ns[-1], self._done, task_id, prediction)
        self._run = _LocalRun(task_id, ends_ns, done)

    def _pieces_ns(self, exit_: str) -> tuple[int, ...]:
        """Return the times of the local net's layers, or of the cloud net's stages and head."""
        if not exit_:
            return self._table.layer_ns
        net = self._table.cloud_net
        assert net is not None
        end = net.exit_named(exit_)
        return (*net.stage_ns[: end.stage + 1], end.head_ns)

    def _add_layers(self, task_id: str, ends_ns: list[int]) -> None:
        for layer, end_ns in enumerate(ends_ns):
            if self._reported[layer]:
                self.progress.append(ev.LocalLayerDone(end_ns, task_id, layer))

    def _done(self, task_id: str, prediction: Prediction) -> None:
        self._run = None
        self._handle(ev.LocalDone(self._clock.now_ns, task_id, prediction))

    def abort(self, action: do.AbortLocal) -> None:
        """Stop at the next layer boundary; during the last layer, let it finish."""
        run = self._run
        assert run is not None
        assert run.task_id == action.task_id
        boundary = bisect_left(run.ends_ns, self._clock.now_ns)
        if boundary == len(run.ends_ns) - 1:
            return
        end_ns = run.ends_ns[boundary]
        self._clock.cancel(run.done)
        self.progress = deque(event for event in self.progress if event.now_ns <= end_ns)
        self._run = None
        self._clock.at(end_ns, self._aborted, action.task_id)

    def _aborted(self, task_id: str) -> None:
        self._handle(ev.LocalAborted(self._clock.now_ns, task_id))

    # --- the encoder --------------------------------------------------------------------------

    def encode(self, action: do.Encode) -> None:
        """Start to make a payload."""
        now_ns, image = self._clock.now_ns, self._tasks[action.task_id].image
        profiled_ns = self._table.encode_ns[action.codec]
        took_ns = self._device.took_ns(profiled_ns, image, ENCODER, now_ns)
        self._clock.at(now_ns + took_ns, self._encoded, action.task_id, took_ns)

    def _encoded(self, task_id: str, took_ns: int) -> None:
        self._handle(ev.Encoded(self._clock.now_ns, task_id, took_ns))
