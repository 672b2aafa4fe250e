"""Piecewise constant functions of time, for slowdowns and round trips.

They are drawn before a run starts and looped, as a recorded trace is. A scheduler's actions
therefore never change its world: two policies under one seed meet the same one.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass

LOOP_NS = 3_600_000_000_000
"""Length of a randomly drawn function; an hour holds enough phases to be typical."""


@dataclass(frozen=True)
class StepFunction:
    """A function whose value is `values[i]` from `starts_ns[i]` until the next start.

    `starts_ns` begins with 0 and rises. With `period_ns` the function loops, otherwise the last
    value stays.
    """

    starts_ns: tuple[int, ...]
    values: tuple[float, ...]
    period_ns: int | None = None

    def at(self, now_ns: int) -> float:
        """Return the value at `now_ns`, counted from the start of the run."""
        if len(self.values) == 1:
            return self.values[0]
        if self.period_ns is not None:
            now_ns %= self.period_ns
        return self.values[bisect_right(self.starts_ns, now_ns) - 1]


@dataclass(frozen=True)
class Phase:
    """A span of `duration_ns` during which work takes `slowdown` times as long."""

    start_ns: int
    duration_ns: int
    slowdown: float

    @property
    def end_ns(self) -> int:
        """End of the phase."""
        return self.start_ns + self.duration_ns


def scripted_slowdown(phases: tuple[Phase, ...], period_ns: int | None = None) -> StepFunction:
    """Return the slowdown by these phases: 1 between them, the product where they overlap."""
    edges = sorted({0, *(p.start_ns for p in phases), *(p.end_ns for p in phases)})
    values = []
    for at_ns in edges:
        slowdown = 1.0
        for phase in phases:
            if phase.start_ns <= at_ns < phase.end_ns:
                slowdown *= phase.slowdown
        values.append(slowdown)
    return StepFunction(tuple(edges), tuple(values), period_ns)


def random_slowdown(every_ns: int, lasting_ns: int, slowdown: float, seed: str) -> StepFunction:
    """Return random phases: idle for `every_ns` on average, then slow for `lasting_ns`.

    Both times are exponential, so this is a Markov chain of two states.
    """
    draw = random.Random(seed)
    starts, values, now_ns = [0], [1.0], 0
    while now_ns < LOOP_NS:
        idle = values[-1] == 1.0
        now_ns += 1 + round(draw.expovariate(1 / (every_ns if idle else lasting_ns)))
        starts.append(now_ns)
        values.append(slowdown if idle else 1.0)
    return StepFunction(tuple(starts[:-1]), tuple(values[:-1]), LOOP_NS)
