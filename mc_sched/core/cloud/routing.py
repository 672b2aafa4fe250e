"""Choice of a worker for each task: the one that promises the earliest answer.

A promise is the work ahead plus the task's own path to its first acceptable exit. The work ahead is
the last load that the worker reported, less the time since, plus the tasks that were sent and are
not in that report yet.
"""

from __future__ import annotations

from collections import deque

from mc_sched.core.tables import CloudTable
from mc_sched.core.value import value

REMEMBERED_PATHS = 256
"""Pairs of codec and accuracy whose path is remembered."""


@value
class WorkerLoad:
    """Load of a worker as it reported it at `reported_ns`."""

    reported_ns: int = 0
    queue_ns: int = 0
    """Work that waits or runs, in this worker's present time."""
    slowdown: float = 1.0
    """Ratio of measured to profiled time of stages."""
    tasks: int = 0
    """Tasks that wait or run."""
    received: int = 0
    """Tasks that it has received since it is up; `queue_ns` holds all of them that are open."""


class Route:
    """One worker that is up, as the router knows it."""

    def __init__(self, table: CloudTable) -> None:
        self._table = table
        self._load = WorkerLoad()
        self._sent = 0
        """Tasks sent since the worker is up."""
        self._unreported: deque[int] = deque()
        """Profiled work of the tasks that are not in the last report, oldest first."""
        self._unreported_ns = 0
        self._paths_ns: dict[tuple[str, float], int] = {}

    def report(self, load: WorkerLoad) -> None:
        """Take a report of the load."""
        self._load = load
        while self._unreported and self._sent - len(self._unreported) < load.received:
            self._unreported_ns -= self._unreported.popleft()

    def send(self, codec: str, accuracy: float) -> None:
        """Count a task that is on its way to the worker."""
        work_ns = self._path_ns(codec, accuracy)
        self._sent += 1
        self._unreported.append(work_ns)
        self._unreported_ns += work_ns

    def wait_ns(self, now_ns: int) -> int:
        """Work ahead of a task that is sent now."""
        load = self._load
        reported_ns = max(0, load.queue_ns - max(0, now_ns - load.reported_ns))
        return reported_ns + int(self._unreported_ns * load.slowdown)

    def answer_ns(self, now_ns: int, codec: str, accuracy: float) -> int:
        """Time until the answer of a task that is sent now."""
        own_ns = self._path_ns(codec, accuracy) * self._load.slowdown
        return self.wait_ns(now_ns) + int(own_ns)

    def _path_ns(self, codec: str, accuracy: float) -> int:
        """Profiled time from the payload to the first acceptable exit; 0 if there is none."""
        known_ns = self._paths_ns.get((codec, accuracy))
        if known_ns is None:
            if len(self._paths_ns) >= REMEMBERED_PATHS:
                self._paths_ns.clear()
            known_ns = self._paths_ns[codec, accuracy] = self._profiled_ns(codec, accuracy)
        return known_ns

    def _profiled_ns(self, codec: str, accuracy: float) -> int:
        accurate = self._table.acceptable(codec, accuracy)
        if not accurate:
            return 0
        row = self._table.codec_named(codec)
        return row.decode_ns + self._table.path_ns(accurate[0], row.stage)


class Router:
    """Chooses among the workers that are up, by index."""

    def __init__(self) -> None:
        self.routes: dict[int, Route] = {}

    def add(self, worker: int, table: CloudTable) -> None:
        """Use a worker that has come up and is idle."""
        self.routes[worker] = Route(table)

    def remove(self, worker: int) -> None:
        """Forget a worker that is down."""
        self.routes.pop(worker, None)

    def choose(self, now_ns: int, codec: str, accuracy: float) -> int | None:
        """Return the worker that promises the earliest answer, the first of equals; None if no
        worker is up."""
        if len(self.routes) == 1:
            return next(iter(self.routes))
        return min(
            self.routes,
            key=lambda worker: (self.routes[worker].answer_ns(now_ns, codec, accuracy), worker),
            default=None,
        )

    def shortest_wait(self, now_ns: int) -> int | None:
        """Return the worker with the least work ahead; None if no worker is up."""
        return min(
            self.routes,
            key=lambda worker: (self.routes[worker].wait_ns(now_ns), worker),
            default=None,
        )
