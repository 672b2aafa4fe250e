"""A plan of the executor's work: the batches in which the open tasks will run, in order.

The executor takes the tasks by their deadlines, and those at the same stage run together. So the
plan takes the tasks in the order of their deadlines as well. A task joins the batch that is forming
at its stage if neither that batch nor any batch behind it becomes late by the longer run. Otherwise
it begins a new batch behind all others. All times are profiled ones, without the slowdown.
"""

from __future__ import annotations

from math import inf

from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.predictors.batch_time import BatchTimes, Path
from mc_sched.core.transitions import CloudState
from mc_sched.core.value import value

ACCEPTED = (CloudState.WAITING, CloudState.IN_STAGE)
"""States of accepted tasks that need the executor."""


class Batch:
    """Tasks that go through the stages together, each up to its exit."""

    def __init__(self, place: int, path: Path) -> None:
        self.place = place
        """Its place in the order of the plan."""
        self.tasks: list[CloudTask] = []
        self.ends_ns: list[float] = []
        """Time from now until the answer of each task, without `delay_ns`."""
        self.path: Path | None = path
        """The path of all its tasks; None if they answer at different exits."""
        self.counts: list[int] = []
        """Number of tasks that need each piece of work; filled when the paths differ."""
        self.bears_ns = inf
        """Delay that its tasks can just bear, so that others may join it."""
        self.spare_ns = inf
        """Delay after which one of its tasks might be late, by the upper quantile."""
        self.delay_ns = 0.0
        """Delay by all tasks that joined it, or an earlier batch, since it began."""


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
        self._times, self._most = times, times.most
        self.end_ns = busy_ns
        """Time from now until all planned work is done."""
        self.least_spare_ns = inf
        """Least time that is left at the answer of an accepted task; negative if one would be
        late."""
        self.batches: list[Batch] = []
        self._forming: dict[int, Batch] = {}
        """Group of tasks -> the batch that its next task may join."""

    def add(self, task: CloudTask, path: Path, left_ns: float, bears_ns: float, group: int) -> None:
        """Add the task that is due next.

        Tasks of one `group` may form a batch. The task might be late after `left_ns`, by the upper
        quantile; others may delay it until `bears_ns` by joining its batch, or one before it.
        """
        batch = self._forming.get(group)
        if batch is not None and (joined_ns := self._join(batch, path)) >= 0.0:
            more_ns = joined_ns
        else:
            more_ns = path.alone_ns
            batch = self._forming[group] = Batch(len(self.batches), path)
            self.batches.append(batch)
        batch.tasks.append(task)
        self.end_ns = end_ns = self.end_ns + more_ns
        batch.ends_ns.append(end_ns - batch.delay_ns)
        bears_ns -= end_ns
        if 0.0 <= bears_ns < batch.bears_ns:  # a late task must not make batches small
            batch.bears_ns = bears_ns
        if left_ns >= more_ns:  # it could be in time as the first one
            left_ns -= end_ns
            if left_ns < batch.spare_ns:
                batch.spare_ns = left_ns
            if left_ns < self.least_spare_ns and task.state in ACCEPTED:
                self.least_spare_ns = left_ns

    def place(self, path: Path, group: int) -> Place:
        """Return the place of a task with this path, if it was added now."""
        batch = self._forming.get(group)
        if batch is not None and len(batch.tasks) < self._most[path.first]:
            more_ns = self._more_ns(path, batch)
            if min([later.spare_ns for later in self.batches[batch.place :]]) >= more_ns:
                end_ns = self.end_ns + more_ns
                return Place(max(0.0, end_ns - self._length_ns(path, batch)), end_ns, False)
        return Place(self.end_ns, self.end_ns + path.alone_ns, True)

    def ends_in_ns(self, task: CloudTask) -> float:
        """Time from now until the answer of a task that is in the plan."""
        for batch in self.batches:
            if task in batch.tasks:
                return batch.ends_ns[batch.tasks.index(task)] + batch.delay_ns
        raise KeyError(task.task_id)

    def _join(self, batch: Batch, path: Path) -> float:
        """Make room for one more task in the batch; return the time that it adds.

        Return -1 if the batch is full, or if it or a later one does not bear the delay.
        """
        if len(batch.tasks) >= self._most[path.first]:
            return -1.0
        more_ns = self._more_ns(path, batch)
        delayed = self.batches[batch.place :]
        for later in delayed:
            if later.bears_ns < more_ns:
                return -1.0
        for later in delayed:
            later.bears_ns -= more_ns
            later.spare_ns -= more_ns
            later.delay_ns += more_ns
        if batch.path is not path:
            self._count(batch)
            for piece in path.pieces:
                batch.counts[piece] += 1
        return more_ns

    def _count(self, batch: Batch) -> None:
        """Count the tasks of a batch by piece, now that their paths differ."""
        if batch.path is None:
            return
        batch.counts = [0] * len(self._most)
        for piece in batch.path.pieces:
            batch.counts[piece] = len(batch.tasks)
        batch.path = None

    def _more_ns(self, path: Path, batch: Batch) -> float:
        """Time by which one more task with this path lengthens the batch."""
        if batch.path is path:
            return self._times.more_ns(path, len(batch.tasks))
        self._count(batch)
        counts, step_ns = batch.counts, self._times.step_ns
        return sum([step_ns(piece, counts[piece]) for piece in path.pieces])

    def _length_ns(self, path: Path, batch: Batch) -> float:
        """Time that the batch takes for this path with one more task."""
        if batch.path is path:
            return self._times.path_ns(path, len(batch.tasks) + 1)
        self._count(batch)
        return sum([self._times.cost_ns(piece, batch.counts[piece] + 1) for piece in path.pieces])
