"""Search for the peak goodput of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mc_sched.bench.load.tally import LoadPoint

FIRST_RATE_PER_S = 20.0
GROWTH = 1.5
SATURATED = 0.85
"""Share of the offered load below which a server is saturated."""
MOST_RATE_PER_S = 20_000.0

Measure = Callable[[float], Awaitable[LoadPoint]]
"""Offers a load, in tasks per second."""


async def peak_goodput(measure: Measure) -> float:
    """Raise the load until the server is saturated, and a step further; return the best goodput."""
    rate, best = FIRST_RATE_PER_S, 0.0
    saturated = 0
    while saturated < 2 and rate < MOST_RATE_PER_S:
        point = await measure(rate)
        best = max(best, point.goodput)
        saturated += point.goodput < SATURATED * point.offered
        rate *= GROWTH
    return best
