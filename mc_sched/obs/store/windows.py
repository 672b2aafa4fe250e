"""Splits a time range into parts, each longer than the one before.

Streams are merged by time. A stream without a match would be read to its end before the first line
of another stream could be returned. Part by part, it is read only as far as the page of lines
reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mc_sched.obs.store.query import Query

FIRST_SHARE = 64
"""The first part is this fraction of the range; each further part is twice as long."""
SHORTEST_NS = 10**9


def windows(query: Query, span: tuple[int, int], newest_first: bool) -> Iterator[Query]:
    """Yield the query for each part of its range, limited to `span`, the first and last line."""
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
