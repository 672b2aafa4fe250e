"""The worker that decodes payloads, one at a time, on a thread of its own.

Results are reported from the worker's thread, so that no other thread has to be woken before the
next payload is decoded.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping

import torch

from mc_sched.core.events import Decoded, DecodeFailed
from mc_sched.service.heartbeat import Heartbeat

Decode = Callable[[bytes], torch.Tensor]
"""Turns a payload into the input of its codec's stage; ValueError if the payload is invalid."""
Deliver = Callable[[str, torch.Tensor], None]
Report = Callable[[Decoded | DecodeFailed], None]


class PayloadDecoder:
    """Holds payloads until they are decoded, and delivers what the executor needs of them."""

    def __init__(self, decoders: Mapping[str, Decode], deliver: Deliver, report: Report) -> None:
        """`decoders`: by codec. `deliver` takes a task's id and its decoded input."""
        self._decoders = decoders
        self._deliver, self._report = deliver, report
        self._payloads: dict[str, bytes] = {}
        self._jobs: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="decoder", daemon=True)
        self.heartbeat = Heartbeat(self._worker)
        self._worker.start()

    def hold(self, task_id: str, payload: bytes) -> None:
        """Keep a task's payload until it is decoded or dropped."""
        self._payloads[task_id] = payload

    def drop(self, task_id: str) -> None:
        """Free the task's payload, if it is still held."""
        self._payloads.pop(task_id, None)

    def decode(self, task_id: str, codec: str) -> None:
        """Begin to decode a payload; Decoded or DecodeFailed is reported."""
        self._jobs.put((task_id, codec))

    def close(self) -> None:
        """Stop the worker after the payloads that were requested."""
        self._jobs.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.heartbeat.beat()
            self._decode(*job)
            self.heartbeat.rest()

    def _decode(self, task_id: str, codec: str) -> None:
        started_ns = time.monotonic_ns()
        try:
            x = self._decoders[codec](self._payloads.pop(task_id))
        except Exception as error:
            invalid = isinstance(error, ValueError)
            self._report(DecodeFailed(time.monotonic_ns(), task_id, str(error), invalid))
            return
        self._deliver(task_id, x)
        now_ns = time.monotonic_ns()
        self._report(Decoded(now_ns, task_id, now_ns - started_ns))
