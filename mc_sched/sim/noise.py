"""Deviation of the time of a piece of work from its profiled time.

The factor of a piece depends only on the seed, the task's number and the piece, not on what ran
before. Two policies therefore meet the same times, and an oracle can know them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from mc_sched.sim.random_table import (
    SIZE,
    normal_deviates,
    seed_offset,
    shuffled_ranks,
    table_index,
    table_indices,
)


@dataclass(frozen=True)
class Noise:
    """Factors on profiled times; without factors every piece takes as long as profiled."""

    factors: tuple[float, ...] = ()
    offset: int = 0
    per_task: bool = False
    """True if all pieces of a task share a factor, since slow moments outlast a layer."""

    def factor(self, task: int, piece: int) -> float:
        """Return the factor on the profiled time of this piece of this task."""
        if not self.factors:
            return 1.0
        return self.factors[table_index(self.offset, task, 0 if self.per_task else piece)]

    def factors_of(self, task: int, pieces: int) -> list[float]:
        """Return the factors of the first `pieces` pieces of a task."""
        if not self.factors or self.per_task:
            return [self.factor(task, 0)] * pieces
        return [self.factors[index] for index in table_indices(self.offset, task, pieces)]


def lognormal(sigma: float, seed: str) -> Noise:
    """Return factors whose logarithm is normal with standard deviation `sigma` and mean 0."""
    return Noise(_lognormal(sigma), seed_offset(seed))


def measured(quantiles: dict[float, float], seed: str, per_task: bool = False) -> Noise:
    """Return factors with these measured quantiles, for instance {0.5: 1.0, 0.95: 1.1, 0.99: 1.4}.

    They are interpolated linearly; below the lowest and above the highest the factor is constant.
    """
    return Noise(_measured(tuple(sorted(quantiles.items()))), seed_offset(seed), per_task)


@cache
def _lognormal(sigma: float) -> tuple[float, ...]:
    return tuple(math.exp(sigma * deviate) for deviate in normal_deviates())


@cache
def _measured(points: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    return tuple(_interpolated(points, (rank + 0.5) / SIZE) for rank in shuffled_ranks())


def _interpolated(points: tuple[tuple[float, float], ...], q: float) -> float:
    if q <= points[0][0]:
        return points[0][1]
    for (low_q, low), (high_q, high) in pairwise(points):
        if q <= high_q:
            return low + (high - low) * (q - low_q) / (high_q - low_q)
    return points[-1][1]
