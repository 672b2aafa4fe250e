"""Follow stores: return the lines that they hold now, then those that are added."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from mc_sched.obs.store.bounds import Line
from mc_sched.obs.store.query import LATEST_NS, Query
from mc_sched.obs.store.stores import Ends, Stores

PAGE_LINES = 1000


class Follower:
    """Returns the lines that are added to stores. Nothing stays open between two calls.

    It returns every line that is stored later, even if a clock that was set back gives the line an
    earlier time.
    """

    def __init__(self, query: Query, ends: Ends) -> None:
        self._query = replace(query, since_ns=0, until_ns=LATEST_NS)
        self.ends = ends

    def new(self, stores: Stores) -> list[Line]:
        """Return the lines added since the last call, oldest first.

        At most a page; if it is full, there may be more.
        """
        lines, self.ends = stores.newer(self._query, self.ends, PAGE_LINES)
        return lines


def so_far(stores: Stores, query: Query, limit: int) -> tuple[list[Line], Follower]:
    """Return the newest lines, oldest first, and a follower for those that come after them."""
    ends = stores.ends()
    return stores.lines(query, limit, ends=ends)[::-1], Follower(query, ends)


def followed(stores: Stores, query: Query, limit: int, every_s: float) -> Iterator[Line]:
    """Yield the newest lines so far, oldest first, then every new line; never ends."""
    lines, follower = so_far(stores, query, limit)
    while True:
        yield from lines
        if len(lines) < PAGE_LINES:
            time.sleep(every_s)
        lines = follower.new(stores)
