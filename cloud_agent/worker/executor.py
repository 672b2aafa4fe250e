"""The thread that runs stages and heads, one at a time.

torch releases the interpreter while it computes, so that the other threads go on. Results are
reported from this thread, so that the next stage starts without waiting for another one.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from mc_models.inference.batches import Row, join
from mc_models.inference.predict import top5_and_entropy

from mc_sched.core.events import ExecutorFailed, HeadDone, StageDone
from mc_sched.core.task import Prediction
from mc_sched.errors import sentence
from mc_sched.service.heartbeat import Heartbeat

Finished = StageDone | HeadDone | ExecutorFailed
Report = Callable[[Finished], None]
Module = Callable[[torch.Tensor], torch.Tensor]


class StageExecutor:
    """Runs a branched network for the tasks whose activations it holds."""

    def __init__(
        self,
        stages: Sequence[Module],
        heads: Mapping[str, Module],
        temperatures: Mapping[str, float],
        report: Report,
        threads: int = 1,
    ) -> None:
        self._stages = stages
        self._heads = heads
        self._temperatures = temperatures
        self._report = report
        self._threads = threads
        self._activations: dict[str, Row] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="executor", daemon=True)
        self._heartbeat = Heartbeat(self._thread)
        self._thread.start()

    @property
    def stuck(self) -> str:
        """Name of the thread if it hangs or has died, else empty."""
        return "" if self._heartbeat.steady else self._thread.name

    def hold(self, task_id: str, x: torch.Tensor) -> None:
        """Keep a task's input, [1, 3, px, px], until its first stage."""
        self._activations[task_id] = Row(x, 0)

    def drop(self, task_id: str) -> None:
        """Free the task's activation."""
        self._activations.pop(task_id, None)

    def run_stage(self, task_ids: tuple[str, ...], stage: int) -> None:
        """Queue a stage; StageDone or ExecutorFailed is reported."""
        self._jobs.put(lambda: self._run_stage(task_ids, stage))

    def run_head(self, task_ids: tuple[str, ...], exit_name: str) -> None:
        """Queue a head; HeadDone or ExecutorFailed is reported."""
        self._jobs.put(lambda: self._run_head(task_ids, exit_name))

    def close(self) -> None:
        """End the thread after its present job."""
        self._jobs.put(None)
        self._thread.join(timeout=10)

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        with torch.inference_mode():
            while (job := self._jobs.get()) is not None:
                self._heartbeat.beat()
                job()
                self._heartbeat.rest()

    def _run_stage(self, task_ids: tuple[str, ...], stage: int) -> None:
        started_ns = time.monotonic_ns()
        try:
            y = self._stages[stage](self._batch(task_ids))
        except Exception as error:
            self._report(_failed(task_ids, error))
            return
        for index, task_id in enumerate(task_ids):
            self._activations[task_id] = Row(y, index)
        now_ns = time.monotonic_ns()
        self._report(StageDone(now_ns, task_ids, stage, now_ns - started_ns))

    def _run_head(self, task_ids: tuple[str, ...], exit_name: str) -> None:
        started_ns = time.monotonic_ns()
        try:
            logits = self._heads[exit_name](self._batch(task_ids))
            answers = top5_and_entropy(logits, self._temperatures[exit_name])
        except Exception as error:
            self._report(_failed(task_ids, error))
            return
        predictions = tuple(Prediction(*answer) for answer in answers)
        now_ns = time.monotonic_ns()
        self._report(HeadDone(now_ns, task_ids, exit_name, predictions, now_ns - started_ns))

    def _batch(self, task_ids: tuple[str, ...]) -> torch.Tensor:
        """Return the tasks' activations as one tensor."""
        return join([self._activations[task_id] for task_id in task_ids])


def _failed(task_ids: tuple[str, ...], error: Exception) -> ExecutorFailed:
    return ExecutorFailed(time.monotonic_ns(), task_ids, f"the network failed: {sentence(error)}")
