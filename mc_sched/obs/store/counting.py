"""Lines per bar and stream, as SQL: counted, summed from the counts per second, or estimated.

What stands in a line's data has to be read out of each line that may match, some microseconds each.
Where these are very many, an estimate looks at an even share of them, chosen by a hash of their
times; which lines it looks at depends on nothing else, so that it does not flicker.
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.obs.store.conditions import HASHES, Conditions, conditions
from mc_sched.obs.store.query import Query

SECOND_NS = 10**9
LOOKED_AT = 20_000
"""Lines that an estimate reads, about: a tenth of a second."""
LEAST_HITS = 100
"""Of an estimate: of n hits it is off by a share of n ** -0.5. What is rarer is counted."""

Sql = tuple[str, list[object]]
"""Selects bar, stream, n; with its parameters."""


def counted(
    query: Query, streams: frozenset[int] | None, width_s: int, by: str, hashes: int | None = None
) -> Sql:
    """Of the lines that match, through the index `by`; of those whose hash is below `hashes`."""
    found = conditions(query, streams, hashes)
    sql = (
        f"SELECT lines.id / {width_s * SECOND_NS} AS bar, stream, count(*) AS n "
        f"FROM lines {by} WHERE {found.where} GROUP BY 1, 2"
    )
    return sql, found.values


def hashes_for(candidates: int) -> tuple[int, float]:
    """Hashes that an estimate among so many lines takes, and the share of the lines they are."""
    hashes = max(1, min(HASHES, HASHES * LOOKED_AT // max(1, candidates)))
    return hashes, hashes / HASHES


def summed(query: Query, streams: frozenset[int] | None, width_s: int) -> Sql:
    """From the counts per second: no line is looked at."""
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
    """Whether it is met by whole streams."""
    on_the_line = query.words or query.phrases or query.without or query.patterns
    return not on_the_line and all(term.is_label for term in query.terms)


def whole_seconds(query: Query) -> tuple[Query, list[Query]]:
    """The whole seconds of a query's range, and what is left of it before and behind them."""
    first_ns = -(-query.since_ns // SECOND_NS) * SECOND_NS
    end_ns = max(first_ns, query.until_ns // SECOND_NS * SECOND_NS)
    edges = ((query.since_ns, min(first_ns, query.until_ns)), (end_ns, query.until_ns))
    return (
        replace(query, since_ns=first_ns, until_ns=end_ns),
        [replace(query, since_ns=start, until_ns=end) for start, end in edges if start < end],
    )
