"""How much a piece of work strays from its profiled time.

The factor of a piece is a function of the seed, the task's number and the piece alone. It does not
depend on what else was run before, so that two policies meet the same times, and an oracle can
know them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from mc_sched.sim.random_table import SIZE, normals, place, places, ranks, start_of


@dataclass(frozen=True)
class Noise:
    """Factors on profiled times; with none, every piece takes as long as profiled."""

    factors: tuple[float, ...] = ()
    start: int = 0
    per_task: bool = False
    """All pieces of a task's work on the device stray alike, as slow moments outlast a layer."""

    def factor(self, task: int, piece: int) -> float:
        """What the profiled time of this piece of this task is multiplied by."""
        if not self.factors:
            return 1.0
        return self.factors[place(self.start, task, 0 if self.per_task else piece)]

    def factors_of(self, task: int, pieces: int) -> list[float]:
        """The same for the first `pieces` pieces of a task's work."""
        if not self.factors or self.per_task:
            return [self.factor(task, 0)] * pieces
        return [self.factors[at] for at in places(self.start, task, pieces)]


def lognormal(sigma: float, seed: str) -> Noise:
    """Factors whose logarithm is normal with deviation `sigma`; the median is the profiled time."""
    return Noise(_lognormal(sigma), start_of(seed))


def measured(quantiles: dict[float, float], seed: str, per_task: bool = False) -> Noise:
    """Factors with these measured quantiles, for instance {0.5: 1.0, 0.95: 1.1, 0.99: 1.4}.

    Straight lines join them; below the lowest and above the highest the factor stays.
    """
    return Noise(_measured(tuple(sorted(quantiles.items()))), start_of(seed), per_task)


@cache
def _lognormal(sigma: float) -> tuple[float, ...]:
    return tuple(math.exp(sigma * deviate) for deviate in normals())


@cache
def _measured(points: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    return tuple(_interpolated(points, (rank + 0.5) / SIZE) for rank in ranks())


def _interpolated(points: tuple[tuple[float, float], ...], q: float) -> float:
    if q <= points[0][0]:
        return points[0][1]
    for (low_q, low), (high_q, high) in pairwise(points):
        if q <= high_q:
            return low + (high - low) * (q - low_q) / (high_q - low_q)
    return points[-1][1]
