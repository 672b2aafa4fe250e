"""Random numbers as a table: normal deviates drawn once, indexed by seed, number and purpose.

A value depends only on the seed, a number (a task's) and a purpose, not on earlier draws. All seeds
share the table and start at different offsets, so ten thousand devices need no more memory than
one. The deviates are the normal distribution's quantiles, evenly spaced and shuffled, so that means
over `SIZE` numbers are exact.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from statistics import NormalDist

SIZE = 1 << 14
_NUMBER_STRIDE = 14_769
_PURPOSE_STRIDE = 4_057
"""Both are odd, so that every purpose passes through the whole table, from its own offset."""


@cache
def shuffled_ranks() -> tuple[int, ...]:
    """Return the numbers below `SIZE` in a random order that never changes."""
    ranks = list(range(SIZE))
    random.Random("mc-sched").shuffle(ranks)
    return tuple(ranks)


@cache
def normal_deviates() -> tuple[float, ...]:
    """Return the normal deviates in the order of the shuffled ranks."""
    normal = NormalDist()
    return tuple(normal.inv_cdf((rank + 0.5) / SIZE) for rank in shuffled_ranks())


def seed_offset(seed: str) -> int:
    """Return the offset at which a seed starts in the table."""
    return zlib.crc32(seed.encode())


def table_index(offset: int, number: int, purpose: int) -> int:
    """Return the index of the value for this number and purpose."""
    return (offset + number * _NUMBER_STRIDE + purpose * _PURPOSE_STRIDE) & (SIZE - 1)


def table_indices(offset: int, number: int, purposes: int) -> list[int]:
    """Return the indices for the purposes from 0 to below `purposes`."""
    first = offset + number * _NUMBER_STRIDE
    end = first + purposes * _PURPOSE_STRIDE
    return [index & (SIZE - 1) for index in range(first, end, _PURPOSE_STRIDE)]
