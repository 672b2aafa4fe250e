"""The worker that encodes payloads, one at a time, on a thread of its own beside the local net."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping

import torch
from mc_models.data.preprocess import Pixels

from edge_agent.admission import Admitted
from mc_sched.core import events as ev
from mc_sched.errors import sentence
from mc_sched.service.heartbeat import Heartbeat

Encode = Callable[[Pixels], bytes]
"""Encodes pixels, uint8 [px, px, 3], into a payload."""
Report = Callable[[ev.Encoded | ev.EncodeFailed, bytes], None]
"""Receives the end of an encoding, on the worker's thread; the payload is empty if it failed."""


class PayloadEncoder:
    """Encodes the payloads of every codec but jpeg."""

    def __init__(self, encoders: Mapping[str, Encode], report: Report, threads: int = 1) -> None:
        self._encoders = encoders
        self._report = report
        self._threads = threads
        self._jobs: queue.SimpleQueue[tuple[str, str, Admitted] | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="encoder", daemon=True)
        self.heartbeat = Heartbeat(self._worker)
        self._worker.start()

    def start(self, task_id: str, codec: str, image: Admitted) -> None:
        """Encode an image; `report` is called when that is done or has failed."""
        self._jobs.put((task_id, codec, image))

    def close(self) -> None:
        """Stop the worker after its current payload."""
        self._jobs.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        while (job := self._jobs.get()) is not None:
            self.heartbeat.beat()
            self._report(*self._encode(*job))
            self.heartbeat.rest()

    def _encode(
        self, task_id: str, codec: str, image: Admitted
    ) -> tuple[ev.Encoded | ev.EncodeFailed, bytes]:
        started_ns = time.monotonic_ns()
        try:
            payload = self._encoders[codec](image.pixels)
        except Exception as error:
            return ev.EncodeFailed(time.monotonic_ns(), task_id, sentence(error)), b""
        now_ns = time.monotonic_ns()
        return ev.Encoded(now_ns, task_id, now_ns - started_ns), payload
