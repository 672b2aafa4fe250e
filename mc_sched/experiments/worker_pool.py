"""Runs jobs on several processes.

Results are in the order of the jobs, so they do not depend on the number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from mc_sched.compiled.workers import simulation_workers

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Progress = Callable[[str, int, int], None]
"""Called with the name of the work, the number of jobs done, and the number of all jobs."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class WorkerPool:
    """Runs jobs on worker processes, or in this process if there is no pool of them."""

    def __init__(self, pool: ProcessPoolExecutor | None, progress: Progress) -> None:
        self._pool, self._progress = pool, progress

    def run(
        self, name: str, work: Callable[[JobT], ResultT], jobs: Sequence[JobT]
    ) -> list[ResultT]:
        """Return the results of all jobs, in order."""
        results: list[ResultT] = []
        for result in map(work, jobs) if self._pool is None else self._pool.map(work, jobs):
            results.append(result)
            self._progress(name, len(results), len(jobs))
        return results

    def report(self, name: str, done: int, total: int) -> None:
        """Report the progress of work that does not run on the pool."""
        self._progress(name, done, total)


@contextmanager
def worker_pool(workers: int, progress: Progress) -> Iterator[WorkerPool]:
    """Provide a pool of so many processes; one worker is this process."""
    if workers == 1:
        yield WorkerPool(None, progress)
        return
    with simulation_workers(workers) as pool:
        yield WorkerPool(pool, progress)
