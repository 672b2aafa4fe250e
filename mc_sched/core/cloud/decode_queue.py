"""Tasks whose payload has arrived and is not decoded yet, in the order of arrival.

One decoder works beside the executor. The executor does not know of the work that waits for the
decoder. A load report without that work would call a cloud free whose decoder is hundreds of
images behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import CloudTable
from mc_sched.core.transitions import CloudState


class DecodeQueue:
    """The task in the decoder, and those that wait for it."""

    def __init__(self, table: CloudTable, times: CloudTimePredictor) -> None:
        self._table, self._times = table, times
        self._waiting: dict[str, CloudTask] = {}
        self._current: CloudTask | None = None
        self._since_ns = 0
        """Moment when the decoder began with `_current`."""

    def __contains__(self, task_id: str) -> bool:
        return self.find(task_id) is not None

    def __len__(self) -> int:
        return len(self._waiting) + (self._current is not None)

    def find(self, task_id: str) -> CloudTask | None:
        """The task of this id, waiting or in the decoder."""
        if self._current is not None and self._current.task_id == task_id:
            return self._current
        return self._waiting.get(task_id)

    @property
    def current(self) -> CloudTask | None:
        """The task in the decoder."""
        return self._current

    def waiting(self) -> Iterable[CloudTask]:
        """The tasks that wait for the decoder, in its order."""
        return self._waiting.values()

    def add(self, task: CloudTask) -> None:
        """Append a task whose payload has arrived."""
        received = task.received
        task.decode_ns = self.decode_ns(received.codec)
        all_ns = self._times.shortest_ns(received.now_ns, received.codec, received.accuracy)
        task.path_ns = max(0, all_ns - task.decode_ns)
        self._waiting[task.task_id] = task

    def remove(self, task: CloudTask) -> None:
        """Remove a task that still waits."""
        del self._waiting[task.task_id]

    def begin_next(self, now_ns: int) -> CloudTask | None:
        """Hand the longest waiting task to the decoder; None if it is busy or no task waits."""
        if self._current is not None or not self._waiting:
            return None
        task_id = next(iter(self._waiting))
        self._current, self._since_ns = self._waiting.pop(task_id), now_ns
        return self._current

    def finish(self, task_id: str) -> CloudTask | None:
        """Take the task out of the decoder; None if the decoder is not at this task."""
        task = self._current
        if task is None or task.task_id != task_id:
            return None
        self._current = None
        return task

    def decode_ns(self, codec: str) -> int:
        """Profiled time of decoding one payload."""
        return self._table.codec_named(codec).decode_ns

    def wait_ns(self, now_ns: int, executor_ns: int) -> int:
        """Time that a payload which arrives now waits for the decoder and then for the executor.

        `executor_ns` is the work that the executor has already. Both work at the same time.
        """
        current = self._current
        if current is None:
            return executor_ns
        decoding_ns = current.decode_ns - (now_ns - self._since_ns)
        path_ns = 0 if current.state is CloudState.DROPPED else current.path_ns
        for task in self._waiting.values():
            decoding_ns += task.decode_ns
            path_ns += task.path_ns
        return max(decoding_ns, executor_ns + path_ns)
