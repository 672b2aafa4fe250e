"""Iteration on a background thread that lets the other threads run in between."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

ITEMS_PER_PAUSE = 64
"""An item takes some ten microseconds; the pause itself costs as much as a few items."""
T = TypeVar("T")


def yielding(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and release the interpreter lock after every few of them.

    Without this, Python takes the lock from a thread only after 5 ms, which may be all the time
    that a frame has.
    """
    for number, item in enumerate(items, start=1):
        yield item
        if number % ITEMS_PER_PAUSE == 0:
            time.sleep(0)
