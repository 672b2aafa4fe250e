"""A range of time in parts, each longer than the one before.

Streams are merged by time. One that holds no match would be read to its end before the first line
of another could come; part by part, it is read only as far back as the page of lines reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mc_sched.obs.store.query import Query

FIRST_SHARE = 64
"""Of the range, in the first part; each next one is twice as long."""
SHORTEST_NS = 10**9


def windows(query: Query, span: tuple[int, int], newest_first: bool) -> Iterator[Query]:
    """The query's range, as far as there are lines (`span`: the first and the last), in order."""
    since_ns, until_ns = max(query.since_ns, span[0]), min(query.until_ns, span[1] + 1)
    width_ns = max(SHORTEST_NS, (until_ns - since_ns) // FIRST_SHARE)
    while since_ns < until_ns:
        if newest_first:
            start_ns = max(since_ns, until_ns - width_ns)
            yield replace(query, since_ns=start_ns, until_ns=until_ns)
            until_ns = start_ns
        else:
            end_ns = min(until_ns, since_ns + width_ns)
            yield replace(query, since_ns=since_ns, until_ns=end_ns)
            since_ns = end_ns
        width_ns *= 2
