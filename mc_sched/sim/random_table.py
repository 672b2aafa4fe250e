"""Chance as a table: normal deviates that are drawn once, and a place in it for each purpose.

A value depends on the seed, a number (a task's) and a purpose alone, not on what was asked before.
All seeds share the table and begin at places of their own, so that ten thousand devices need no
more memory than one. The deviates are the normal's quantiles, evenly spread and shuffled: over
`SIZE` numbers every mean comes out as it should.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from statistics import NormalDist

SIZE = 1 << 14
_NUMBER_STRIDE = 14_769
_PURPOSE_STRIDE = 4_057
"""Odd: a purpose goes through the whole table, each from a place of its own."""


@cache
def ranks() -> tuple[int, ...]:
    """The numbers below `SIZE`, shuffled once and for all."""
    places = list(range(SIZE))
    random.Random("mc-sched").shuffle(places)
    return tuple(places)


@cache
def normals() -> tuple[float, ...]:
    """The normal deviates, in that order."""
    normal = NormalDist()
    return tuple(normal.inv_cdf((rank + 0.5) / SIZE) for rank in ranks())


def start_of(seed: str) -> int:
    """Where a seed begins in the table."""
    return zlib.crc32(seed.encode())


def place(start: int, number: int, purpose: int) -> int:
    """Where in the table the value of this number and purpose stands."""
    return (start + number * _NUMBER_STRIDE + purpose * _PURPOSE_STRIDE) & (SIZE - 1)


def places(start: int, number: int, purposes: int) -> list[int]:
    """The same for the purposes from 0 to below `purposes`."""
    first = start + number * _NUMBER_STRIDE
    ends = first + purposes * _PURPOSE_STRIDE
    return [at & (SIZE - 1) for at in range(first, ends, _PURPOSE_STRIDE)]
