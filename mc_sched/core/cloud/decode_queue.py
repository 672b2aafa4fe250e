"""Tasks whose payload has arrived and is not decoded yet, in the order of their deadlines.

The decoders work beside the executor, which does not know of the payloads that wait for decoding.
Load reports include them. Otherwise a cloud whose decoders are hundreds of images behind would look
idle.
"""

from __future__ import annotations

from bisect import insort
from heapq import heapify, heapreplace

from mc_sched.core.cloud.task import CloudTask, due
from mc_sched.core.events import Received
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast
from mc_sched.core.tables import CloudTable
from mc_sched.core.value import value

HORIZON_NS = 10**9
"""Time for which measured times are remembered, so that a slow phase ends for a node that refuses
all tasks because of it."""
QUANTILE = 0.95


@value
class Decoding:
    """A task in a decoder, which began at `since_ns`."""

    task: CloudTask
    since_ns: int


class DecodeQueue:
    """The tasks in the decoders, and those that wait for one."""

    def __init__(self, table: CloudTable, decoders: int) -> None:
        self._table = table
        self.decoders = decoders
        """Payloads that are decoded at the same time."""
        self.queued: list[CloudTask] = []
        """Tasks that wait for a decoder, by their deadlines."""
        self.current: dict[str, Decoding] = {}
        """The tasks in the decoders, by id."""
        self._slowdown = SampleWindow((1.0,), horizon_ns=HORIZON_NS)
        self._ratios = SampleWindow((1.0,), horizon_ns=HORIZON_NS)
        """Measured over forecast time of payloads that waited, from arrival to decoded."""

    def __len__(self) -> int:
        return len(self.queued) + len(self.current)

    def find(self, task_id: str) -> CloudTask | None:
        """The task of this id, waiting or in a decoder."""
        decoding = self.current.get(task_id)
        if decoding is not None:
            return decoding.task
        for task in self.queued:
            if task.task_id == task_id:
                return task
        return None

    def add(self, task: CloudTask) -> None:
        """Take a task whose payload has arrived."""
        insort(self.queued, task, key=due)

    def remove(self, task: CloudTask) -> None:
        """Remove a task that still waits."""
        self.queued.remove(task)

    def begin_next(self, now_ns: int) -> CloudTask | None:
        """Hand the task that is due first to a decoder; None if all are busy or no task waits."""
        if not self.queued or len(self.current) >= self.decoders:
            return None
        task = self.queued.pop(0)
        self.current[task.task_id] = Decoding(task, now_ns)
        return task

    def finish(self, task_id: str) -> CloudTask | None:
        """Take the task out of its decoder; None if no decoder holds it."""
        decoding = self.current.pop(task_id, None)
        return None if decoding is None else decoding.task

    def record(self, now_ns: int, task: CloudTask, took_ns: int) -> None:
        """Learn from a payload that was decoded in `took_ns`."""
        profiled_ns = self._table.codec_named(task.received.codec).decode_ns
        if profiled_ns <= 0 or took_ns <= 0:
            return
        self._slowdown.add(now_ns, took_ns / profiled_ns)
        held_ns = now_ns - task.received.now_ns
        if held_ns > took_ns and task.ready_in_ns > 0:
            self._ratios.add(now_ns, held_ns / task.ready_in_ns)

    def ready(self, now_ns: int, received: Received, due_ns: int) -> Forecast:
        """Forecast of the time until a payload that arrives now is decoded."""
        wait_ns, decode_ns = self.wait_ns(now_ns, due_ns), self.decode_ns(now_ns, received.codec)
        ready_ns = wait_ns + decode_ns
        if wait_ns == 0:
            return Forecast(ready_ns, ready_ns)
        ratio = self._ratios.quantile(now_ns, QUANTILE)
        return Forecast(ready_ns, max(ready_ns, int(ready_ns * ratio)))

    def decode_ns(self, now_ns: int, codec: str) -> int:
        """Mean time of decoding one payload."""
        profiled_ns = self._table.codec_named(codec).decode_ns
        return int(profiled_ns * self._slowdown.mean_up_to(now_ns, QUANTILE))

    def wait_ns(self, now_ns: int, due_ns: int | None) -> int:
        """Time until a payload that arrives now gets a decoder.

        Those that are due until `due_ns` come before it; all of those that wait for None.
        """
        free_in_ns = [self._left_ns(now_ns, decoding) for decoding in self.current.values()]
        free_in_ns += [0] * (self.decoders - len(free_in_ns))
        heapify(free_in_ns)
        for task in self.queued:
            if due_ns is not None and task.due_ns > due_ns:
                break
            heapreplace(free_in_ns, free_in_ns[0] + self.decode_ns(now_ns, task.received.codec))
        return free_in_ns[0]

    def _left_ns(self, now_ns: int, decoding: Decoding) -> int:
        decode_ns = self.decode_ns(now_ns, decoding.task.received.codec)
        return max(0, decode_ns - (now_ns - decoding.since_ns))
