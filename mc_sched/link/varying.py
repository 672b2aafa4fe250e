"""Rates that change with time: on and off, fading, or measured.

A Markov chain is drawn when the rate is made, and repeats, as a recorded trace does. So the rate is
a pure function of time and does not depend on what is sent.
"""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from mc_sched.link.model import Cursor

_NS_PER_S = 1_000_000_000
LOOP_NS = 600 * _NS_PER_S
"""Length of a drawn chain; ten minutes have enough fades to be typical."""


@dataclass(frozen=True)
class SteppedRate:
    """`rates_bps[i]` from `starts_ns[i]` until the next start; repeats after `period_ns`."""

    starts_ns: tuple[int, ...]
    rates_bps: tuple[int, ...]
    period_ns: int

    def __post_init__(self) -> None:
        if not self.starts_ns or self.starts_ns[0] != 0 or self.period_ns <= self.starts_ns[-1]:
            raise ValueError(
                "the first rate must start at 0 and the last one before the end of the period"
            )
        if min(self.rates_bps) < 0 or max(self.rates_bps) == 0:
            raise ValueError("rates must be 0 or more, and at least one above 0")

    @property
    def mean_bps(self) -> float:
        """Mean over the loop."""
        return self._carried[-1] / self.period_ns

    @cached_property
    def _carried(self) -> tuple[int, ...]:
        """Bits carried by each start and by the period's end, in bit/s * ns."""
        ends_ns = (*self.starts_ns[1:], self.period_ns)
        steps = zip(self.starts_ns, ends_ns, self.rates_bps, strict=True)
        return (0, *accumulate((end - start) * rate for start, end, rate in steps))

    def send(self, cursor: Cursor, now_ns: int, size_bytes: int) -> Cursor:
        """See `Rate`; rounds up, so that no byte leaves early."""
        start_ns = max(now_ns, cursor.free_ns)
        if size_bytes == 0:
            return Cursor(start_ns)
        loops, within_ns = divmod(start_ns, self.period_ns)
        at = bisect_right(self.starts_ns, within_ns) - 1
        before = self._carried[at] + (within_ns - self.starts_ns[at]) * self.rates_bps[at]
        more_loops, wanted = divmod(before + size_bytes * 8 * _NS_PER_S, self._carried[-1])
        if wanted == 0:  # the last bit leaves at the end of this loop, not at the start of the next
            more_loops, wanted = more_loops - 1, self._carried[-1]
        step = bisect_right(self._carried, wanted - 1) - 1
        rest = wanted - self._carried[step]
        end_ns = self.starts_ns[step] - (-rest // self.rates_bps[step])
        return Cursor((loops + more_loops) * self.period_ns + end_ns)


def on_off(rate_bps: int, on_ns: int, off_ns: int, seed: str) -> SteppedRate:
    """Return a Markov chain of two states: the rate for a mean of `on_ns`, 0 for `off_ns`.

    Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960.
    """
    return _chain(
        [rate_bps, 0], [on_ns, off_ns], lambda state, draw: 1 - state, random.Random(seed)
    )


def fading(rate_bps: int, levels: Sequence[float], hold_ns: int, seed: str) -> SteppedRate:
    """Return a Markov chain over `levels`, shares of the rate; each lasts for a mean of `hold_ns`.

    The next level is a neighbour, up or down with equal probability. This is the channel of Wang
    and Moayeri, "Finite-state Markov channel", IEEE Trans. Vehicular Technology 44, 1995, with
    equal transition rates.
    """
    last = len(levels) - 1

    def neighbour(state: int, draw: random.Random) -> int:
        if state in (0, last):
            return min(1, last) if state == 0 else last - 1
        return state + draw.choice((-1, 1))

    rates_bps = [round(rate_bps * level) for level in levels]
    return _chain(rates_bps, [hold_ns] * len(levels), neighbour, random.Random(seed))


def _chain(
    rates_bps: list[int],
    hold_ns: list[int],
    following: Callable[[int, random.Random], int],
    draw: random.Random,
) -> SteppedRate:
    starts_ns, rates, now_ns = [], [], 0
    state = draw.randrange(len(rates_bps))
    while now_ns < LOOP_NS:
        starts_ns.append(now_ns)
        rates.append(rates_bps[state])
        now_ns += 1 + round(draw.expovariate(1 / hold_ns[state]))
        state = following(state, draw)
    if max(rates) == 0:  # the chain starts with a pause longer than the loop
        starts_ns, rates = [0, LOOP_NS // 2], [0, max(rates_bps)]
    return SteppedRate(tuple(starts_ns), tuple(rates), LOOP_NS)
