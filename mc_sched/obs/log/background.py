"""Work on a thread of its own that lets the others go first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

TURN = 64
"""Items of some ten microseconds each; the pause itself costs as much as a few of them."""
T = TypeVar("T")


def background(items: Iterable[T]) -> Iterator[T]:
    """The items; every few of them, the interpreter is free for whoever waits for it.

    Python takes it from a thread only after 5 ms, as long as a whole frame may last.
    """
    for number, item in enumerate(items, start=1):
        yield item
        if number % TURN == 0:
            time.sleep(0)
