"""Lines as they come: what a store holds now, then what is added to it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mc_sched.obs.store.query import Query
from mc_sched.obs.store.reader import Line
from mc_sched.obs.store.stores import Stores

AT_ONCE = 1000


def followed(stores: Stores, query: Query, first: Iterable[Line], every_s: float) -> Iterator[Line]:
    """`first`, which are the newest lines so far, and then every new one; never ends."""
    last = max(query.since_ns - 1, newest(stores))
    for line in first:
        last = max(last, line.id)
        yield line
    while True:
        for line in newer(stores, query, last):
            last = line.id
            yield line
        time.sleep(every_s)


def newer(stores: Stores, query: Query, last: int) -> list[Line]:
    """What has come behind the line `last`, oldest first."""
    return stores.lines(replace(query, since_ns=last + 1), AT_ONCE, newest_first=False)


def newest(stores: Stores) -> int:
    """The last line's id; 0 for empty stores."""
    span = stores.span()
    return span[1] if span else 0
