"""How much a piece of work strays from its profiled time.

The factor of a piece is a function of the seed, the task's number and the piece alone. It does not
depend on what else was run before, so that two policies meet the same times, and an oracle can
know them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

SIZE = 1 << 13
"""Factors that are drawn ahead; each task and piece has its place among them."""
_TASK_STRIDE, _PIECE_STRIDE = 2_654_435_761, 40_503
"""Odd, so that a task's pieces, and the tasks of one piece, go through all of the places."""


@dataclass(frozen=True)
class Noise:
    """Factors on profiled times; with none, every piece takes as long as profiled."""

    factors: tuple[float, ...] = ()

    def factor(self, task: int, piece: int) -> float:
        """What the profiled time of this piece of this task is multiplied by."""
        if not self.factors:
            return 1.0
        return self.factors[(task * _TASK_STRIDE + piece * _PIECE_STRIDE) % SIZE]


def lognormal(sigma: float, seed: str) -> Noise:
    """Factors whose logarithm is normal with deviation `sigma`; the median is the profiled time."""
    draw = random.Random(seed)
    return _drawn(lambda: draw.lognormvariate(0.0, sigma))


def measured(quantiles: dict[float, float], seed: str) -> Noise:
    """Factors with these measured quantiles, for instance {0.5: 1.0, 0.95: 1.1, 0.99: 1.4}.

    Straight lines join them; below the lowest and above the highest the factor stays.
    """
    draw = random.Random(seed)
    points = sorted(quantiles.items())
    return _drawn(lambda: _interpolated(points, draw.random()))


def _drawn(one: Callable[[], float]) -> Noise:
    return Noise(tuple(one() for _ in range(SIZE)))


def _interpolated(points: list[tuple[float, float]], q: float) -> float:
    if q <= points[0][0]:
        return points[0][1]
    for (low_q, low), (high_q, high) in pairwise(points):
        if q <= high_q:
            return low + (high - low) * (q - low_q) / (high_q - low_q)
    return points[-1][1]
