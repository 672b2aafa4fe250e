"""SQL for lines per bar and stream: counted, summed from the counts per second, or estimated.

A condition on a line's data takes some microseconds for each line that may match. If there are very
many of these, an estimate reads an even share of them, chosen by a hash of their times. The choice
depends on nothing else, so that the estimate does not flicker between two queries.
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.obs.store.conditions import HASHES, Conditions, conditions
from mc_sched.obs.store.query import Query

SECOND_NS = 10**9
SAMPLED_LINES = 20_000
"""Lines that an estimate reads: about a tenth of a second."""
LEAST_HITS = 100
"""An estimate from n hits has a relative error of n ** -0.5; below this number lines are counted.
"""

Sql = tuple[str, list[object]]
"""A query that selects bar, stream, n, with its parameters."""


def counted(
    query: Query, streams: frozenset[int] | None, width_s: int, by: str, hashes: int | None = None
) -> Sql:
    """Count the matching lines, through the index clause `by`.

    `hashes`: count only lines whose time hash is below it; None for all lines.
    """
    found = conditions(query, streams, hashes)
    sql = (
        f"SELECT lines.id / {width_s * SECOND_NS} AS bar, stream, count(*) AS n "
        f"FROM lines {by} WHERE {found.where} GROUP BY 1, 2"
    )
    return sql, found.values


def hashes_for(candidates: int) -> tuple[int, float]:
    """Return how many hash values an estimate takes, and the share of the lines that have them."""
    hashes = max(1, min(HASHES, HASHES * SAMPLED_LINES // max(1, candidates)))
    return hashes, hashes / HASHES


def summed(query: Query, streams: frozenset[int] | None, width_s: int) -> Sql:
    """Sum the counts per second; this reads no lines."""
    found = Conditions()
    first, end = query.since_ns // SECOND_NS, query.until_ns // SECOND_NS
    found.add("second >= ? AND second < ?", first, end)
    if streams is not None:
        found.add(f"stream IN ({', '.join(map(str, sorted(streams)))})")
    sql = (
        f"SELECT second / {width_s} AS bar, stream, sum(lines) AS n FROM volume "
        f"WHERE {found.where} GROUP BY 1, 2"
    )
    return sql, found.values


def only_labels(query: Query) -> bool:
    """Return True if the query has conditions on labels only, so that whole streams match."""
    has_text = query.words or query.phrases or query.without or query.patterns
    return not has_text and all(term.is_label for term in query.terms)


def whole_seconds(query: Query) -> tuple[Query, list[Query]]:
    """Split a query's range into its whole seconds and the rests before and after them."""
    first_ns = -(-query.since_ns // SECOND_NS) * SECOND_NS
    end_ns = max(first_ns, query.until_ns // SECOND_NS * SECOND_NS)
    edges = ((query.since_ns, min(first_ns, query.until_ns)), (end_ns, query.until_ns))
    return (
        replace(query, since_ns=first_ns, until_ns=end_ns),
        [replace(query, since_ns=start, until_ns=end) for start, end in edges if start < end],
    )
