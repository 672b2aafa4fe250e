"""The workers, and what the front knows of those that are up."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_agent.front.load import Load
from cloud_agent.front.worker_link import Worker
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import Router
from mc_sched.core.tables import CloudTable


def name_of(worker: Worker) -> str:
    """Name of a worker in messages for people, such as `worker 1 (cpu)`."""
    return f"worker {worker.index} ({worker.device})"


class WorkerPool:
    """Chooses a worker per task, and sends events to all of them."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = {worker.index: worker for worker in workers}
        self._router = Router()
        self._table: CloudTable | None = None
        self.fault = "no worker is up yet"
        """The reason why a worker that is not up is down, as a sentence."""

    @property
    def any_up(self) -> bool:
        """True if a task can be served."""
        return bool(self._router.routes)

    @property
    def table(self) -> CloudTable:
        """Tables of the bundle, with the times of the fastest worker so far."""
        assert self._table is not None, "no worker has come up"
        return self._table

    def add(self, worker: Worker) -> None:
        """Use a worker that has come up."""
        table = worker.table
        assert table is not None, "a worker that is up has tables"
        self._router.add(worker.index, table)
        if self._table is None or sum(table.stage_ns) < sum(self._table.stage_ns):
            self._table = table

    def remove(self, worker: Worker, fault: str) -> None:
        """Use a worker no more, until it comes up again."""
        self._router.remove(worker.index)
        self.fault = fault

    def report(self, worker: Worker) -> None:
        """Take a new report of a worker's load."""
        route = self._router.routes.get(worker.index)
        if route is not None:
            route.report(worker.load)

    def choose(self, now_ns: int, codec: str, accuracy: float) -> Worker | None:
        """Return the worker for a task that is sent to it now; None if none is up."""
        index = self._router.choose(now_ns, codec, accuracy)
        if index is None:
            return None
        self._router.routes[index].send(codec, accuracy)
        return self._workers[index]

    def broadcast(self, event: ev.CloudEvent) -> None:
        """Send an event to all workers that are up."""
        for index in self._router.routes:
            self._workers[index].handle(event)

    def load(self, now_ns: int, draining: bool) -> Load:
        """Return the load of the worker with the least work ahead."""
        index = self._router.shortest_wait(now_ns)
        if index is None:
            return Load(draining=draining)
        wait_ns = self._router.routes[index].wait_ns(now_ns)
        return Load(wait_ns, self._workers[index].load.slowdown, draining)
