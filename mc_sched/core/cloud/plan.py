"""A plan of the executor's work: the batches in which the open tasks will run, in order.

The executor takes the tasks by their deadlines, and those at the same stage run together. So the
plan takes the tasks in the order of their deadlines as well. A task joins the batch that is forming
at its stage if neither that batch nor any batch behind it becomes late by the longer run. Otherwise
it begins a new batch behind all others. All times are profiled ones, without the slowdown.
"""

from __future__ import annotations

from math import inf

from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.batch_time import BatchTimes
from mc_sched.core.value import value


class Batch:
    """Tasks that go through the stages together, each up to its exit."""

    def __init__(self, place: int, pieces: int) -> None:
        self.place = place
        """Its place in the order of the plan."""
        self.tasks: list[CloudTask] = []
        self.counts = [0] * pieces
        """Number of tasks that need each piece of work."""
        self.bears_ns = inf
        """Delay that its tasks can just bear, so that others may join it."""
        self.spare_ns = inf
        """Delay after which one of its tasks might be late, by the upper quantile."""
        self.delay_ns = 0.0
        """Delay by the tasks that joined it, or an earlier batch, after its own tasks."""


@value
class Place:
    """Times from now, in ns, at which a task would start and at which its answer would be ready."""

    start_ns: float
    end_ns: float
    opens: bool
    """True if it would begin a batch."""


class Plan:
    """The batches so far, and the moment when they are done."""

    def __init__(self, times: BatchTimes, busy_ns: float) -> None:
        self._times, self._steps, self._limits = times, times.steps, times.limits
        self.end_ns = busy_ns
        """Time from now until all planned work is done."""
        self.least_spare_ns = inf
        """Least time that is left at the answer of an added task; negative if one would be late."""
        self.batches: list[Batch] = []
        self._forming: dict[int, Batch] = {}
        """Group of tasks -> the batch that its next task may join."""
        self._ends_ns: dict[str, tuple[float, Batch]] = {}

    def add(self, task: CloudTask, left_ns: float, bears_ns: float, group: int) -> None:
        """Add the task that is due next.

        Tasks of one `group` may form a batch. The task might be late after `left_ns`, by the upper
        quantile; others may delay it until `bears_ns` by joining its batch, or one before it.
        """
        path = task.path
        batch = self._open_batch(path, group)
        more_ns = 0.0 if batch is None else self._more_ns(path, batch)
        if batch is not None and self._bear(batch, more_ns):
            for later in self.batches[batch.place :]:
                later.bears_ns -= more_ns
                later.spare_ns -= more_ns
                later.delay_ns += more_ns
        else:
            more_ns = self._alone_ns(path)
            batch = Batch(len(self.batches), len(self._steps))
            self.batches.append(batch)
            self._forming[group] = batch
        batch.tasks.append(task)
        counts = batch.counts
        for piece in path:
            counts[piece] += 1
        self.end_ns += more_ns
        self._ends_ns[task.task_id] = (self.end_ns - batch.delay_ns, batch)
        if bears_ns >= self.end_ns:  # one that is late in any case must not make batches small
            batch.bears_ns = min(batch.bears_ns, bears_ns - self.end_ns)
        if left_ns >= more_ns:  # it could be in time as the first one
            batch.spare_ns = min(batch.spare_ns, left_ns - self.end_ns)
            self.least_spare_ns = min(self.least_spare_ns, left_ns - self.end_ns)

    def place(self, path: tuple[int, ...], group: int) -> Place:
        """Return the place of a task with these pieces of work, if it was added now."""
        batch = self._open_batch(path, group)
        if batch is not None:
            more_ns = self._more_ns(path, batch)
            if min([later.spare_ns for later in self.batches[batch.place :]]) >= more_ns:
                end_ns = self.end_ns + more_ns
                return Place(max(0.0, end_ns - self._length_ns(path, batch)), end_ns, False)
        return Place(self.end_ns, self.end_ns + self._alone_ns(path), True)

    def ends_in_ns(self, task_id: str) -> float:
        """Time from now until the answer of a task that is in the plan."""
        end_ns, batch = self._ends_ns[task_id]
        return end_ns + batch.delay_ns

    def _open_batch(self, path: tuple[int, ...], group: int) -> Batch | None:
        batch = self._forming.get(group)
        if batch is None or len(batch.tasks) >= self._limits[path[0]]:
            return None
        return batch

    def _bear(self, batch: Batch, more_ns: float) -> bool:
        """Return True if the batch and all behind it bear a delay."""
        return min([later.bears_ns for later in self.batches[batch.place :]]) >= more_ns

    def _more_ns(self, path: tuple[int, ...], batch: Batch) -> float:
        """Time by which one more task with this path lengthens the batch."""
        steps_by_piece, counts = self._steps, batch.counts
        more_ns = 0.0
        for piece in path:
            steps = steps_by_piece[piece]
            more_ns += steps[counts[piece] % len(steps)]
        return more_ns

    def _length_ns(self, path: tuple[int, ...], batch: Batch) -> float:
        """Time that the batch takes for this path with one more task."""
        counts = batch.counts
        return sum([self._times.cost_ns(piece, counts[piece] + 1) for piece in path])

    def _alone_ns(self, path: tuple[int, ...]) -> float:
        steps = self._steps
        return sum([steps[piece][0] for piece in path])
