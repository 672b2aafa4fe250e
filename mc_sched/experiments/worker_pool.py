"""Cells side by side on several processes. Results come in the order of the cells, whoever had
which, so that they do not depend on the number of processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from mc_sched.compiled.workers import workers as simulating

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class WorkerPool:
    """Does jobs on processes of its own, or here if there is one only."""

    def __init__(self, pool: ProcessPoolExecutor | None, progress: Progress) -> None:
        self._pool, self._progress = pool, progress

    def do(self, what: str, work: Callable[[JobT], ResultT], jobs: Sequence[JobT]) -> list[ResultT]:
        """The result of every job, in order."""
        results: list[ResultT] = []
        for result in map(work, jobs) if self._pool is None else self._pool.map(work, jobs):
            results.append(result)
            self._progress(what, len(results), len(jobs))
        return results

    def tell(self, what: str, done: int, total: int) -> None:
        """Show how far a job of another kind is."""
        self._progress(what, done, total)


@contextmanager
def crew_of(workers: int, progress: Progress) -> Iterator[WorkerPool]:
    """A crew of so many processes."""
    if workers == 1:
        yield WorkerPool(None, progress)
        return
    with simulating(workers) as pool:
        yield WorkerPool(pool, progress)
