"""Search for the peak goodput of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mc_sched.bench.load.tally import LoadPoint

FIRST_RATE_PER_S = 20.0
GROWTH = 1.5
GAIN = 1.05
"""Least growth of the best goodput by which a step counts as a gain."""
STEPS_WITHOUT_GAIN = 2
"""Steps in a row without a gain after which the search ends."""
MOST_RATE_PER_S = 20_000.0

Measure = Callable[[float], Awaitable[LoadPoint]]
"""Offers a load, in tasks per second."""


async def peak_goodput(measure: Measure) -> float:
    """Raise the load until that brings no more goodput; return the best goodput."""
    rate, best, without_gain = FIRST_RATE_PER_S, 0.0, 0
    while without_gain < STEPS_WITHOUT_GAIN and rate < MOST_RATE_PER_S:
        point = await measure(rate)
        without_gain = 0 if point.goodput > GAIN * best else without_gain + 1
        best = max(best, point.goodput)
        rate *= GROWTH
    return best
