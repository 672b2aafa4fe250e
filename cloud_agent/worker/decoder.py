"""The threads that decode payloads.

Results are reported from the thread that has them, so that no other thread has to be woken before
the next payload is decoded.
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

    def __init__(
        self,
        decoders: Mapping[str, Decode],
        deliver: Deliver,
        report: Report,
        threads: int = 1,
    ) -> None:
        """`decoders`: by codec. `deliver` takes a task's id and its decoded input."""
        self._decoders = decoders
        self._deliver, self._report = deliver, report
        self._payloads: dict[str, bytes] = {}
        self._jobs: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._threads = [_DecoderThread(number, self) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def stuck(self) -> str:
        """Name of a thread that hangs or has died; empty if all work."""
        return next((t.name for t in self._threads if not t.heartbeat.steady), "")

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
        """Stop the threads after the payloads that were requested."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def work(self, heartbeat: Heartbeat) -> None:
        """Decode until the end; called by each thread."""
        while (job := self._jobs.get()) is not None:
            heartbeat.beat()
            self._decode(*job)
            heartbeat.rest()

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


class _DecoderThread(threading.Thread):
    """One thread, with the heartbeat of its present payload."""

    def __init__(self, number: int, decoder: PayloadDecoder) -> None:
        super().__init__(name=f"decoder {number}", daemon=True)
        self._decoder = decoder
        self.heartbeat = Heartbeat(self)

    def run(self) -> None:
        """Decode until the end."""
        self._decoder.work(self.heartbeat)
