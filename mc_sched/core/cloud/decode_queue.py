"""Tasks whose payload has arrived and is not decoded yet, in the order of arrival.

One decoder works beside the executor, which does not know of the payloads that wait for decoding.
Load reports include them. Otherwise a cloud whose decoder is hundreds of images behind would look
idle.
"""

from __future__ import annotations

from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import CloudTable
from mc_sched.core.transitions import CloudState


class DecodeQueue:
    """The task in the decoder, and those that wait for it."""

    def __init__(self, table: CloudTable, times: CloudTimePredictor) -> None:
        self._table, self._times = table, times
        self.queued: dict[str, CloudTask] = {}
        """Tasks that wait for the decoder, by id, in its order."""
        self.current: CloudTask | None = None
        """The task in the decoder."""
        self._since_ns = 0
        """Moment when the decoder began with `current`."""

    def __len__(self) -> int:
        return len(self.queued) + (self.current is not None)

    def find(self, task_id: str) -> CloudTask | None:
        """The task of this id, waiting or in the decoder."""
        if self.current is not None and self.current.task_id == task_id:
            return self.current
        return self.queued.get(task_id)

    def add(self, task: CloudTask) -> None:
        """Append a task whose payload has arrived."""
        received = task.received
        task.decode_ns = self.decode_ns(received.codec)
        all_ns = self._times.shortest_ns(received.now_ns, received.codec, received.accuracy)
        task.path_ns = max(0, all_ns - task.decode_ns)
        self.queued[task.task_id] = task

    def remove(self, task: CloudTask) -> None:
        """Remove a task that still waits."""
        del self.queued[task.task_id]

    def begin_next(self, now_ns: int) -> CloudTask | None:
        """Hand the longest waiting task to the decoder; None if it is busy or no task waits."""
        if self.current is not None or not self.queued:
            return None
        task_id = next(iter(self.queued))
        self.current, self._since_ns = self.queued.pop(task_id), now_ns
        return self.current

    def finish(self, task_id: str) -> CloudTask | None:
        """Take the task out of the decoder; None if the decoder holds another."""
        task = self.current
        if task is None or task.task_id != task_id:
            return None
        self.current = None
        return task

    def decode_ns(self, codec: str) -> int:
        """Profiled time of decoding one payload."""
        return self._table.codec_named(codec).decode_ns

    def wait_ns(self, now_ns: int, executor_ns: int) -> int:
        """Time that a payload which arrives now waits for the decoder and then for the executor.

        `executor_ns` is the remaining work of the executor, which runs in parallel to the decoder.
        """
        current = self.current
        if current is None:
            return executor_ns
        decoding_ns = current.decode_ns - (now_ns - self._since_ns)
        path_ns = 0 if current.state is CloudState.DROPPED else current.path_ns
        for task in self.queued.values():
            decoding_ns += task.decode_ns
            path_ns += task.path_ns
        return max(decoding_ns, executor_ns + path_ns)
