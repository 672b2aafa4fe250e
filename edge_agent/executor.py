"""The worker that runs the local net layer by layer, on a thread of its own.

Between two layers it looks whether the task is still wanted. What happened is told as events of
the core, from the worker's thread: `report` for ends, `note` for progress.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

import torch
from mc_models.predict import top5

from mc_sched.core import events as ev
from mc_sched.core.task import Prediction

Module = Callable[[torch.Tensor], torch.Tensor]
Report = Callable[[ev.EdgeEvent], None]


class LocalExecutor:
    """Runs one local inference at a time."""

    def __init__(
        self,
        layers: Sequence[Module],
        layer_ops: Sequence[int],
        temperature: float,
        report: Report,
        note: Report,
        threads: int = 1,
    ) -> None:
        self._layers = layers
        # a layer without operations says nothing about progress
        self._reported = [ops > 0 for ops in layer_ops]
        self._temperature = temperature
        self._report, self._note = report, note
        self._threads = threads
        self._unwanted: set[str] = set()
        self._jobs: queue.SimpleQueue[tuple[str, Callable[[], torch.Tensor]] | None]
        self._jobs = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="local-net", daemon=True)
        self._worker.start()

    def start(self, task_id: str, prepare: Callable[[], torch.Tensor]) -> None:
        """Run the net on what `prepare` returns, [1, 3, px, px]."""
        self._unwanted.discard(task_id)  # an abort that came after the end of an earlier run
        self._jobs.put((task_id, prepare))

    def abort(self, task_id: str) -> None:
        """Stop this task at the next layer boundary."""
        self._unwanted.add(task_id)

    def close(self) -> None:
        """End the worker after the task it is at."""
        self._jobs.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        with torch.inference_mode():
            while (job := self._jobs.get()) is not None:
                task_id, prepare = job
                try:
                    self._run(task_id, prepare)
                except Exception as error:
                    reason = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
                    self._report(ev.LocalFailed(time.monotonic_ns(), task_id, reason))

    def _run(self, task_id: str, prepare: Callable[[], torch.Tensor]) -> None:
        self._note(ev.LocalStarted(time.monotonic_ns(), task_id))
        x = prepare()
        for index, layer in enumerate(self._layers):
            if task_id in self._unwanted:
                self._report(ev.LocalAborted(time.monotonic_ns(), task_id))
                return
            x = layer(x)
            if self._reported[index]:
                self._note(ev.LocalLayerDone(time.monotonic_ns(), task_id, index))
        prediction = Prediction(top5(x, self._temperature))
        self._report(ev.LocalDone(time.monotonic_ns(), task_id, prediction))
