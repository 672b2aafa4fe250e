"""The worker that runs the local net layer by layer, on a thread of its own.

Some policies make it run the cloud net up to an exit instead. Between two layers it checks whether
the run was aborted. It calls `report` for the end of a run and `note` for its progress, both with
events of the core and on the worker's thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from mc_models.inference.predict import top5_and_entropy

from edge_agent.cloud_net_on_edge import CloudNetOnEdge, Run
from mc_sched.core import events as ev
from mc_sched.core.task import Prediction
from mc_sched.errors import sentence
from mc_sched.service.heartbeat import Heartbeat

Module = Callable[[torch.Tensor], torch.Tensor]
Feed = Callable[[ev.EdgeEvent], None]


@dataclass
class _Job:
    """A requested run."""

    task_id: str
    prepare: Callable[[], torch.Tensor]
    exit: str
    """Exit of the cloud net; empty for the local net."""
    aborted: bool = False


class LocalExecutor:
    """Runs one local inference at a time."""

    def __init__(
        self,
        layers: Sequence[Module],
        layer_ops: Sequence[int],
        temperature: float,
        report: Feed,
        note: Feed,
        threads: int = 1,
        cloud_net: CloudNetOnEdge | None = None,
    ) -> None:
        # a layer without operations is no measure of progress
        self._local = Run(layers, temperature, [ops > 0 for ops in layer_ops])
        self._cloud_net = cloud_net
        self._report, self._note = report, note
        self._threads = threads
        self._open: dict[str, _Job] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="local-net", daemon=True)
        self.heartbeat = Heartbeat(self._worker)
        self._worker.start()

    def start(self, task_id: str, prepare: Callable[[], torch.Tensor], exit_: str = "") -> None:
        """Run the local net, or the cloud net up to `exit_`, on the result of `prepare`.

        `prepare` returns a tensor of shape [1, 3, px, px].
        """
        job = self._open[task_id] = _Job(task_id, prepare, exit_)
        self._jobs.put(job)

    def abort(self, task_id: str) -> None:
        """Stop the task's run at the next layer boundary."""
        job = self._open.get(task_id)
        if job is not None:
            job.aborted = True

    def close(self) -> None:
        """Stop the worker after its current run."""
        self._jobs.put(None)
        self._worker.join(timeout=10)

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        with torch.inference_mode():
            while (job := self._jobs.get()) is not None:
                self.heartbeat.beat()
                end: ev.LocalDone | ev.LocalAborted | ev.LocalFailed
                try:
                    with self._net_of(job) as run:
                        end = self._run(job, run)
                except Exception as error:
                    end = ev.LocalFailed(time.monotonic_ns(), job.task_id, sentence(error))
                if self._open.get(job.task_id) is job:
                    del self._open[job.task_id]
                self.heartbeat.rest()
                self._report(end)

    def _net_of(self, job: _Job) -> AbstractContextManager[Run]:
        if not job.exit:
            return nullcontext(self._local)
        if self._cloud_net is None:
            raise ValueError("the bundle has no measurements for its cloud net on the edge")
        return self._cloud_net.run_to(job.exit)

    def _run(self, job: _Job, run: Run) -> ev.LocalDone | ev.LocalAborted:
        self._note(ev.LocalStarted(time.monotonic_ns(), job.task_id))
        x = job.prepare()
        for index, piece in enumerate(run.pieces):
            if job.aborted:
                return ev.LocalAborted(time.monotonic_ns(), job.task_id)
            self.heartbeat.beat()
            x = piece(x)
            if run.reported[index]:
                self._note(ev.LocalLayerDone(time.monotonic_ns(), job.task_id, index))
        [answer] = top5_and_entropy(x, run.temperature)
        return ev.LocalDone(time.monotonic_ns(), job.task_id, Prediction(*answer))
