"""Lines as they come: what a store holds now, then what is added to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from mc_sched.obs.store.bounds import Line
from mc_sched.obs.store.query import LATEST_NS, Query
from mc_sched.obs.store.stores import Ends, Stores

AT_ONCE = 1000


class Follower:
    """What is added to stores; a question at a time, so that nothing stays open in between.

    Whatever is stored later comes, also what a clock that was set back gives an earlier time.
    """

    def __init__(self, query: Query, ends: Ends) -> None:
        self._query = replace(query, since_ns=0, until_ns=LATEST_NS)
        self.ends = ends

    def new(self, stores: Stores) -> list[Line]:
        """What has come since the last look, oldest first; a full page says that there is more."""
        lines, self.ends = stores.newer(self._query, self.ends, AT_ONCE)
        return lines


def so_far(stores: Stores, query: Query, limit: int) -> tuple[list[Line], Follower]:
    """The newest lines up to now, oldest first, and what tells those that come behind them."""
    ends = stores.ends()
    return stores.lines(query, limit, ends=ends)[::-1], Follower(query, ends)


def followed(stores: Stores, query: Query, limit: int, every_s: float) -> Iterator[Line]:
    """The newest lines so far, oldest first, and then every new one; never ends."""
    lines, follower = so_far(stores, query, limit)
    while True:
        yield from lines
        if len(lines) < AT_ONCE:
            time.sleep(every_s)
        lines = follower.new(stores)
