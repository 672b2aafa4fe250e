"""Times of stages and heads by batch size: the profile, corrected by measured batches.

The slowdown of the moment is common to all pieces of work and is not part of these times. Each
stage has one correction per measured batch size, relative to the stage's time for a single task.
The first batches of a size count most. So a device on which batches gain less than the profile
promises shows it with its first batches, and the machine runs single tasks. A correction that is
not measured any more returns to the profile, so that batches are tried again.
"""

from __future__ import annotations

from bisect import bisect_left
from math import exp, inf, log

from mc_sched.core.predictors.cloud_time import CORRECTION_WEIGHT, CloudTimePredictor
from mc_sched.core.tables import Exit

LEAST_GAIN = 0.05
"""Least share by which a larger batch has to shorten the time per task, or a batch that of two
smaller ones. Smaller gains are not worth the later answers of the batch's first tasks."""
RETRY_NS = 4 * 10**9
"""Time without a measurement after which a correction moves toward the profile."""
FADED = 0.7
"""Share of the correction that is left then."""
KEPT = 0.98
"""Share of a correction that each measurement keeps while no single task is measured. Then a
correction cannot be distinguished from the slowdown, and passes into it."""
NOTICED = 0.01
"""Relative change of a time from which the costs are computed again."""


class _Correction:
    """Logarithm of measured over profiled time, for one stage and batch size."""

    def __init__(self) -> None:
        self.log = self.count = self.used = 0.0
        """`used` is the logarithm from which the costs were computed."""
        self.measured_ns = 0

    def record(self, now_ns: int, error: float, share: float, kept: float) -> None:
        """Keep a part of the correction, and move by the logarithm of measured over corrected time.

        `share` is the part that this correction has in that of the measured batch.
        """
        self.count += share
        weight = max(CORRECTION_WEIGHT, 1.0 / (1.0 + self.count))
        self.log = (self.log + share * weight * error) * kept
        self.measured_ns = now_ns

    def fade(self) -> None:
        """Move toward the profile, so that the next measurement counts like the first."""
        self.log *= FADED
        self.count = 0.0


class Path:
    """The pieces of work from one stage to the head of an exit.

    Stage `n` is piece `n`; behind the stages come the heads.
    """

    def __init__(self, pieces: tuple[int, ...], tail: Path | None) -> None:
        self.pieces = pieces
        self.first = pieces[0]
        self.tail = tail
        """The path without its first piece; None behind the last piece."""
        self.head_only = tail is None
        self.alone_ns = 0.0
        """Time for a single task."""
        self.more_ns: list[float] = []
        """Time that one more task adds to 0, 1, ... tasks of this path, as far as computed."""


class BatchTimes:
    """Times per batch of a net's pieces: its stages and the heads of its exits."""

    def __init__(self, times: CloudTimePredictor, max_batch: int) -> None:
        table = times.table
        self._times, self._table = times, table
        self._stages = len(table.stage_ns)
        self._corrections = [[_Correction() for _ in table.batch_sizes] for _ in table.stage_ns]
        self._paths: dict[str, list[Path]] = {}
        """Exit's name -> the paths to it, from each stage and from its head alone."""
        for place, exit_ in enumerate(table.exits):
            self._paths[exit_.name] = self._paths_to(exit_, self._stages + place)
        self._faded_ns = 0
        self.costs: list[list[float]] = []
        """Piece -> least time for 0, 1, ... tasks, up to `most[piece]`."""
        self.steps: list[list[float]] = []
        """Piece -> time that one more task adds to 0, 1, ... tasks, up to `most[piece]`."""
        self.limits: list[int] = []
        """Piece -> size of the batch with the least time per task, 1 if no size gains enough."""
        self.most: list[int] = []
        """Piece -> number of tasks of which a batch is formed. It is larger than the best size, so
        that a few tasks more are not left over."""
        self.best: list[list[int]] = []
        """Piece -> size of the batch to form of 0, 1, ... tasks, up to `most[piece]`."""
        self._built_from: list[float] = []
        """Stage -> corrected time of a single task from which its costs were computed."""
        self.set_max_batch(max_batch)

    def _paths_to(self, exit_: Exit, head: int) -> list[Path]:
        """Paths that end with `head`, by their first stage; the last is the head alone."""
        paths = [Path((head,), None)]
        for stage in range(exit_.stage, -1, -1):
            paths.append(Path((stage, *paths[-1].pieces), paths[-1]))
        return paths[::-1]

    def set_max_batch(self, max_batch: int) -> None:
        """Form batches of at most `max_batch` tasks from now on."""
        table = self._table
        self._largest = max(1, min(max_batch, table.largest_batch))
        sizes = range(1, self._largest + 1)
        pieces = self._stages + len(table.exits)
        self._ratios = [
            [table.stage_time_ns(stage, n) / max(1, alone_ns) for n in sizes]
            for stage, alone_ns in enumerate(table.stage_ns)
        ]
        """Stage -> profiled time of a batch of 1, 2, ... tasks over that of a single task."""
        self._shares = [_shares(table.batch_sizes, size) for size in sizes]
        """Corrections of a batch of 1, 2, ... tasks: the measured size below it, the one above it,
        and the share of the upper one."""
        self.costs = [[] for _ in range(pieces)]
        self.steps = [[] for _ in range(pieces)]
        self.limits = [1] * pieces
        self.most = [1] * pieces
        self.best = [[] for _ in range(pieces)]
        self._built_from = [0.0] * self._stages
        for place, exit_ in enumerate(table.exits):
            self._build(self._stages + place, [table.head_time_ns(exit_, n) for n in sizes])
        for stage in range(self._stages):
            self._build_stage(stage)
        self._renew_paths()

    # --- times ------------------------------------------------------------------------------

    def path(self, stage: int, exit_: Exit) -> Path:
        """The pieces from `stage` to the head of the exit."""
        return self._paths[exit_.name][stage]

    def stage_ns(self, stage: int, size: int) -> float:
        """Corrected time of one stage for a batch of `size` tasks."""
        known_ns = self._times.alone_ns(stage)
        if size == 1:
            return known_ns
        return known_ns * self._ratios[stage][size - 1] * exp(self._correction(stage, size))

    def head_ns(self, exit_: Exit, size: int) -> float:
        """Profiled time of one exit's head for a batch of `size` tasks."""
        return self._table.head_time_ns(exit_, size)

    def cost_ns(self, piece: int, tasks: int) -> float:
        """Least time of one piece for any number of tasks, in as many batches as that takes."""
        costs, limit = self.costs[piece], self.limits[piece]
        batches = max(0, (tasks - len(costs) + limit) // limit)
        return batches * costs[limit] + costs[tasks - batches * limit]

    def path_ns(self, path: Path, size: int) -> float:
        """Least time of a path for `size` tasks."""
        return sum([self.cost_ns(piece, size) for piece in path.pieces])

    def more_ns(self, path: Path, size: int) -> float:
        """Time that one more task adds to `size` tasks of the same path."""
        known = path.more_ns
        while len(known) <= size:
            known.append(sum([self.step_ns(piece, len(known)) for piece in path.pieces]))
        return known[size]

    def step_ns(self, piece: int, tasks: int) -> float:
        """Time that one more task adds to so many tasks of one piece."""
        steps = self.steps[piece]
        if tasks >= len(steps):
            limit = self.limits[piece]
            tasks = len(steps) - limit + (tasks - len(steps)) % limit
        return steps[tasks]

    def best_size(self, stage: int, available: int) -> int:
        """Size of the batch to form when so many tasks are at this stage."""
        return self.best[stage][min(available, self.most[stage])]

    # --- learning ---------------------------------------------------------------------------

    def record(
        self, now_ns: int, stage: int, size: int, took_ns: int, slowdown: float | None
    ) -> None:
        """Learn from a stage that a batch of `size` tasks took `took_ns` for.

        `slowdown` is that of the moment before this batch; None if nothing was measured.
        """
        changed = self._fade(now_ns)
        if size > 1 and slowdown is not None and took_ns > 0:
            expected_ns = self.stage_ns(stage, size) * slowdown
            kept = 1.0 if self._times.measured_alone(now_ns) else KEPT
            self._correct(now_ns, stage, size, log(took_ns / max(1.0, expected_ns)), kept)
            if any(abs(c.log - c.used) > NOTICED for c in self._corrections[stage]):
                self._build_stage(stage)
                changed = True
        for other, known_ns in enumerate(self._built_from):
            if abs(self._times.alone_ns(other) - known_ns) > NOTICED * known_ns:
                self._build_stage(other)
                changed = True
        if changed:
            self._renew_paths()

    def _fade(self, now_ns: int) -> bool:
        """Move corrections that are not measured any more toward the profile."""
        before_ns = now_ns - RETRY_NS
        if self._largest == 1 or self._faded_ns > before_ns:
            return False
        self._faded_ns = now_ns
        for stage, corrections in enumerate(self._corrections):
            for correction in corrections:
                if correction.measured_ns <= before_ns:
                    correction.fade()
            self._build_stage(stage)
        return True

    def _correct(self, now_ns: int, stage: int, size: int, error: float, kept: float) -> None:
        below, above, share = self._shares[size - 1]
        corrections = self._corrections[stage]
        if share > 0.0:
            corrections[above].record(now_ns, error, share, kept)
        if share < 1.0 and below > 0:
            corrections[below].record(now_ns, error, 1.0 - share, kept)

    def _correction(self, stage: int, size: int) -> float:
        """Logarithm of the correction of a batch, linear between the measured sizes."""
        below, above, share = self._shares[size - 1]
        corrections = self._corrections[stage]
        return corrections[below].log * (1.0 - share) + corrections[above].log * share

    # --- costs ------------------------------------------------------------------------------

    def _build_stage(self, stage: int) -> None:
        """Compute the costs of a stage from its present times."""
        alone_ns = self._built_from[stage] = self._times.alone_ns(stage)
        for correction in self._corrections[stage]:
            correction.used = correction.log
        batches_ns = [self.stage_ns(stage, size) for size in range(2, self._largest + 1)]
        self._build(stage, [alone_ns, *batches_ns])

    def _build(self, piece: int, times_ns: list[float]) -> None:
        """Compute limit, costs and steps of a piece from its times for 1, 2, ... tasks."""
        alone_ns = times_ns[0]
        limit, least_ns = 1, alone_ns
        for size, batch_ns in enumerate(times_ns, start=1):
            if batch_ns < (1.0 - LEAST_GAIN) * size * least_ns:
                limit, least_ns = size, batch_ns / size
        self.limits[piece] = limit
        self.most[piece] = limit if limit in (1, len(times_ns)) else 2 * limit
        costs, best = [0.0, alone_ns], [0, 1]
        for size in range(2, self.most[piece] + 1):
            first = limit if size > limit else best[size - 1]
            apart_ns = times_ns[first - 1] + costs[size - first]
            together_ns = times_ns[size - 1] if size <= len(times_ns) else inf
            best.append(size if together_ns < (1.0 - LEAST_GAIN) * apart_ns else first)
            # a measurement may say that more tasks take less time
            costs.append(max(costs[-1], min(together_ns, apart_ns)))
        self.costs[piece], self.best[piece] = costs, best
        self.steps[piece] = [costs[n + 1] - costs[n] for n in range(len(costs) - 1)]

    def _renew_paths(self) -> None:
        """Let the paths follow the costs of their pieces."""
        for paths in self._paths.values():
            for path in paths:
                path.more_ns.clear()
                path.alone_ns = sum([self.steps[piece][0] for piece in path.pieces])


def _shares(sizes: tuple[int, ...], size: int) -> tuple[int, int, float]:
    """Places of the measured sizes around `size`, and the share of the upper one."""
    above = min(bisect_left(sizes, size), len(sizes) - 1)
    if above == 0 or sizes[above] <= size:
        return above, above, 1.0
    below = above - 1
    return below, above, (size - sizes[below]) / (sizes[above] - sizes[below])
