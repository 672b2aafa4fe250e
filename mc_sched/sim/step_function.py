"""Functions of time that stay the same for a while: slowdowns, round trips.

They are drawn before a run starts and looped, as a recorded trace is. What a scheduler does
therefore never changes what it meets: two policies under one seed live in the same world.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass

LOOP_NS = 3_600_000_000_000
"""Length of what is drawn at random; an hour holds enough phases to be typical."""


@dataclass(frozen=True)
class Steps:
    """`values[i]` holds from `starts_ns[i]` until the next start; `starts_ns` begins with 0 and
    rises. With `period_ns` it loops, otherwise the last value stays."""

    starts_ns: tuple[int, ...]
    values: tuple[float, ...]
    period_ns: int | None = None

    def at(self, now_ns: int) -> float:
        """The value at `now_ns`, counted from the start of the run."""
        if len(self.values) == 1:
            return self.values[0]
        if self.period_ns is not None:
            now_ns %= self.period_ns
        return self.values[bisect_right(self.starts_ns, now_ns) - 1]


@dataclass(frozen=True)
class Phase:
    """From `start_ns` on, for `duration_ns`, work takes `slowdown` times as long."""

    start_ns: int
    duration_ns: int
    slowdown: float

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return self.start_ns + self.duration_ns


def scripted(phases: tuple[Phase, ...], period_ns: int | None = None) -> Steps:
    """The slowdowns of these phases, 1 between them; where two overlap, both count."""
    edges = sorted({0, *(p.start_ns for p in phases), *(p.end_ns for p in phases)})
    values = []
    for at_ns in edges:
        slowdown = 1.0
        for phase in phases:
            if phase.start_ns <= at_ns < phase.end_ns:
                slowdown *= phase.slowdown
        values.append(slowdown)
    return Steps(tuple(edges), tuple(values), period_ns)


def drawn(every_ns: int, lasting_ns: int, slowdown: float, seed: str) -> Steps:
    """Phases at random: quiet for `every_ns` on the mean, then slow for `lasting_ns` on the mean.

    Both times are exponential, so this is a Markov chain of two states.
    """
    draw = random.Random(seed)
    starts, values, now_ns = [0], [1.0], 0
    while now_ns < LOOP_NS:
        quiet = values[-1] == 1.0
        now_ns += 1 + round(draw.expovariate(1 / (every_ns if quiet else lasting_ns)))
        starts.append(now_ns)
        values.append(slowdown if quiet else 1.0)
    return Steps(tuple(starts[:-1]), tuple(values[:-1]), LOOP_NS)
