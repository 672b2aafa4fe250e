"""Payloads that are whole on the cloud and not decoded yet, in the order in which they came.

One decoder works beside the executor. What waits for it is work that the executor does not know of
yet, so a report without it calls a cloud free whose decoder is hundreds of images behind.
"""

from __future__ import annotations

from mc_sched.core.events import Received
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import CloudTable
from mc_sched.core.value import value


@value
class _Waiting:
    decode_ns: int
    path_ns: int
    """What the executor will have to do for it, up to the first acceptable exit."""


class DecodeQueue:
    """What one decoder has before it."""

    def __init__(self, table: CloudTable, times: CloudTimePredictor) -> None:
        self._table, self._times = table, times
        self._waiting: dict[str, _Waiting] = {}
        self._begun_ns = 0
        """When the decoder began on the first of them."""

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Received) -> None:
        """A payload is to be decoded."""
        if not self._waiting:
            self._begun_ns = event.now_ns
        decode_ns = self.decode_ns(event.codec)
        whole_ns = self._times.shortest_ns(event.now_ns, event.codec, event.accuracy)
        self._waiting[event.task_id] = _Waiting(decode_ns, max(0, whole_ns - decode_ns))

    def remove(self, now_ns: int, task_id: str) -> None:
        """It is decoded, or no longer wanted; harmless where it is not here."""
        if self._waiting.pop(task_id, None) is not None:
            self._begun_ns = now_ns

    def decode_ns(self, codec: str) -> int:
        """Profiled time of one."""
        return self._table.codec_named(codec).decode_ns

    def wait_ns(self, now_ns: int, executor_ns: int) -> int:
        """How long a payload that comes now waits for the decoder and then for the executor, which
        has `executor_ns` before it already; both work at the same time."""
        if not self._waiting:
            return executor_ns
        decoding_ns = sum(waiting.decode_ns for waiting in self._waiting.values())
        path_ns = sum(waiting.path_ns for waiting in self._waiting.values())
        left_ns = max(0, decoding_ns - (now_ns - self._begun_ns))
        return max(left_ns, executor_ns + path_ns)
