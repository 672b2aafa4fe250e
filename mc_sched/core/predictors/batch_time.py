"""Times of stages and heads by batch size: the profile, corrected by measured batches.

The slowdown of the moment is common to all pieces of work and is not part of these times. Each
stage has one correction per measured batch size, relative to the stage's time for a single task.
The first batches of a size count most. So a device on which batches
gain less than the profile promises shows it with its first batches, and the machine runs single
tasks. A correction that is not measured any more returns to the profile, so that batches are tried
again.
"""

from __future__ import annotations

from bisect import bisect_left
from math import exp, log

from mc_sched.core.predictors.cloud_time import CORRECTION_WEIGHT, CloudTimePredictor
from mc_sched.core.tables import Exit

LEAST_GAIN = 0.05
"""Least share by which a larger batch has to shorten the time per task. Smaller gains are not worth
the later answers of the batch's first tasks."""
RETRY_NS = 4 * 10**9
"""Time without a measurement after which a correction and its weight are halved."""
KEPT = 0.995
"""Share of a correction that each measurement keeps. If only batches of one size run, a correction
cannot be told from the slowdown; then it passes into the slowdown."""
NOTICED = 0.01
"""Relative change of a time from which the costs are computed again."""


class _Correction:
    """Logarithm of measured over profiled time, for one stage and batch size."""

    def __init__(self) -> None:
        self.log = self.count = 0.0
        self.measured_ns = 0

    def record(self, now_ns: int, ratio: float) -> None:
        """Take a measured time relative to the uncorrected one."""
        self.count += 1.0
        weight = max(CORRECTION_WEIGHT, 1.0 / (1.0 + self.count))
        self.log += weight * (log(ratio) - self.log)
        self.log *= KEPT
        self.measured_ns = now_ns

    def fade(self) -> None:
        self.log *= 0.5
        self.count *= 0.5


class BatchTimes:
    """Times per batch of a net's pieces: its stages, then the heads of its exits.

    Stage `n` is piece `n`; the head of the exit `e` is piece `heads[e.name]`.
    """

    def __init__(self, times: CloudTimePredictor, max_batch: int) -> None:
        table = times.table
        self._times, self._table = times, table
        self._stages = len(table.stage_ns)
        self.heads = {e.name: self._stages + place for place, e in enumerate(table.exits)}
        """Exit's name -> the piece that is its head."""
        self._corrections = [[_Correction() for _ in table.batch_sizes] for _ in table.stage_ns]
        self._faded_ns = 0
        self.costs: list[list[float]] = []
        """Piece -> least time for 0, 1, ... tasks, up to `limits[piece]`."""
        self.steps: list[list[float]] = []
        """Piece -> time that one more task adds to 0, 1, ... tasks. It begins again behind the
        last entry, with another batch."""
        self.limits: list[int] = []
        """Piece -> size of the largest batch that gains enough."""
        self._built_from: list[float] = []
        """Stage -> corrected time of a single task from which its costs were computed."""
        self.set_max_batch(max_batch)

    def set_max_batch(self, max_batch: int) -> None:
        """Form batches of at most `max_batch` tasks from now on."""
        self._largest = max(1, min(max_batch, self._table.largest_batch))
        pieces = self._stages + len(self._table.exits)
        self.costs = [[] for _ in range(pieces)]
        self.steps = [[] for _ in range(pieces)]
        self.limits = [1] * pieces
        self._built_from = [0.0] * self._stages
        for stage in range(self._stages):
            self._build_stage(stage)
        for exit_ in self._table.exits:
            times_ns = [self._table.head_time_ns(exit_, n) for n in range(1, self._largest + 1)]
            self._build(self.heads[exit_.name], times_ns)

    def path(self, stage: int, exit_: Exit) -> tuple[int, ...]:
        """The pieces from `stage` to the head of the exit."""
        return (*range(stage, exit_.stage + 1), self.heads[exit_.name])

    def stage_ns(self, stage: int, size: int) -> float:
        """Corrected time of one stage for a batch of `size` tasks."""
        known_ns = self._times.alone_ns(stage)
        if size == 1:
            return known_ns
        return known_ns * self._ratio(stage, size) * exp(self._correction(stage, size).log)

    def head_ns(self, exit_: Exit, size: int) -> float:
        """Profiled time of one exit's head for a batch of `size` tasks."""
        return self._table.head_time_ns(exit_, size)

    def cost_ns(self, piece: int, tasks: int) -> float:
        """Least time of one piece for any number of tasks, in as many batches as that takes."""
        costs, limit = self.costs[piece], self.limits[piece]
        return tasks // limit * costs[limit] + costs[tasks % limit]

    def path_ns(self, path: tuple[int, ...], size: int) -> float:
        """Least time of these pieces for `size` tasks."""
        return sum([self.cost_ns(piece, size) for piece in path])

    def best_size(self, stage: int, available: int) -> int:
        """Size of the batch to form when so many tasks are at this stage."""
        size = min(available, self.limits[stage])
        costs = self.costs[stage]
        while size > 1 and self.stage_ns(stage, size) > costs[size] * (1.0 + NOTICED):
            size -= 1
        return size

    def record(
        self, now_ns: int, stage: int, size: int, took_ns: int, slowdown: float | None
    ) -> None:
        """Learn from a stage that a batch of `size` tasks took `took_ns` for.

        `slowdown` is that of the moment before this batch; None if nothing was measured.
        """
        if size > 1 and slowdown is not None and took_ns > 0:
            uncorrected_ns = self._times.alone_ns(stage) * self._ratio(stage, size) * slowdown
            self._correction(stage, size).record(now_ns, took_ns / max(1.0, uncorrected_ns))
            self._build_stage(stage)
        self._fade(now_ns)
        for changed, known_ns in enumerate(self._built_from):
            if abs(self._times.alone_ns(changed) - known_ns) > NOTICED * known_ns:
                self._build_stage(changed)

    def _fade(self, now_ns: int) -> None:
        """Move corrections that are not measured any more toward the profile."""
        before_ns = now_ns - RETRY_NS
        if self._largest == 1 or self._faded_ns > before_ns:
            return
        self._faded_ns = now_ns
        for stage, corrections in enumerate(self._corrections):
            for correction in corrections:
                if correction.measured_ns <= before_ns:
                    correction.fade()
            self._build_stage(stage)

    def _ratio(self, stage: int, size: int) -> float:
        """Profiled time of a batch over that of a single task."""
        return self._table.stage_time_ns(stage, size) / max(1, self._table.stage_ns[stage])

    def _correction(self, stage: int, size: int) -> _Correction:
        sizes = self._table.batch_sizes
        return self._corrections[stage][min(bisect_left(sizes, size), len(sizes) - 1)]

    def _build_stage(self, stage: int) -> None:
        self._built_from[stage] = self._times.alone_ns(stage)
        self._build(stage, [self.stage_ns(stage, n) for n in range(1, self._largest + 1)])

    def _build(self, piece: int, times_ns: list[float]) -> None:
        """Compute limit, costs and steps of a piece from its times for 1, 2, ... tasks."""
        alone_ns = times_ns[0]
        limit, least_ns = 1, alone_ns
        costs = [0.0, alone_ns]
        for size, batch_ns in enumerate(times_ns[1:], start=2):
            if batch_ns < (1.0 - LEAST_GAIN) * size * least_ns:
                limit, least_ns = size, batch_ns / size
            costs.append(min(batch_ns, costs[-1] + alone_ns))
        self.limits[piece] = limit
        self.costs[piece] = costs[: limit + 1]
        self.steps[piece] = [costs[n + 1] - costs[n] for n in range(limit)]
