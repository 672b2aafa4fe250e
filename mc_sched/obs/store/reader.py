"""Answers queries to one store: lines, their volume over time, the values of a field."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from mc_sched.obs.store.bounds import UNBOUNDED, Bounds, End, Line, page
from mc_sched.obs.store.conditions import conditions, searched, word_search
from mc_sched.obs.store.counting import (
    LEAST_HITS,
    SECOND_NS,
    Sql,
    counted,
    hashes_for,
    only_labels,
    summed,
    whole_seconds,
)
from mc_sched.obs.store.line import Labels, field_of
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.query_connection import QueryConnection
from mc_sched.obs.store.windows import windows

RARE = 0.4
"""Streams with less than this share of the lines are counted through their index."""
MOST_MERGED = 100
"""Largest number of streams to merge; SQLite's limit is 500 terms in a compound SELECT."""
PAGE_LINES = 1000
DAY_S = 86_400

Count = tuple[int, tuple[str, ...], int]
"""Start of a bar in seconds, values of the labels, number of lines."""


class StoreReader:
    """Reads one store. For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds = UNBOUNDED) -> None:
        self._connection = QueryConnection(connection, bounds.patience_s)
        self._bounds = bounds
        self._rows = self._connection.rows

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- lines ------------------------------------------------------------------------------

    def lines(
        self, query: Query, limit: int, newest_first: bool = True
    ) -> Generator[Line, None, None]:
        """Yield the newest `limit` matching lines, newest first, or the oldest, oldest first."""
        order = "DESC" if newest_first else "ASC"
        with self._connection.in_time(), closing(self._connection.cursor()) as cursor:
            for part in self._parts(query, newest_first):
                ids, values = self._ids(part, limit, newest_first)
                sql = f"SELECT id, body FROM lines WHERE id IN ({ids}) ORDER BY id {order}"
                for row in cursor.execute(sql, values):
                    limit -= 1
                    yield Line(*row)
                if not limit:
                    return

    def ids(self, query: Query, limit: int) -> list[int]:
        """Return the ids of the newest `limit` matching lines."""
        found: list[int] = []
        with self._connection.in_time():
            for part in self._parts(query, newest_first=True):
                sql = self._ids(part, limit - len(found), newest_first=True)
                found += [row[0] for row in self._rows(*sql)]
                if len(found) == limit:
                    break
        return found

    def _parts(self, query: Query, newest_first: bool) -> Iterable[Query]:
        """Split the query's range if lines must be read to know which of them match."""
        streams, span = self._streams(query), self.span()
        if span is None or (streams is not None and not streams):
            return ()
        if _special_index(query) or query.words or only_labels(query):
            return (query,)
        return windows(query, span, newest_first)

    def _ids(self, query: Query, limit: int, newest_first: bool) -> tuple[str, list[object]]:
        """Return SQL that selects the ids of the matching lines, with its parameters."""
        streams = self._streams(query)
        parts = [conditions(query, streams)]
        by = _special_index(query)
        if not by and not query.words and streams is not None and len(streams) <= MOST_MERGED:
            # the index sorts each stream by time, so SQLite merges the streams as it reads them
            parts = [conditions(query, frozenset((stream,))) for stream in streams]
            by = "INDEXED BY lines_stream"
        order = "DESC" if newest_first else "ASC"
        union = " UNION ALL ".join(f"SELECT id FROM lines {by} WHERE {p.where}" for p in parts)
        values = [value for part in parts for value in part.values]
        return f"{union} ORDER BY id {order} LIMIT ?", [*values, limit]

    def page(self, query: Query, limit: int, newest_first: bool = True) -> list[Line]:
        """Return `lines` as a list, cut to the bounds."""
        with closing(self.lines(query, limit, newest_first)) as lines:
            return page(lines, self._bounds.page_bytes)

    def newer(self, query: Query, end: End, limit: int) -> tuple[list[Line], End]:
        """Return the lines stored after `end`, oldest first, and the new end."""
        with self._connection.snapshot():
            last = self.end()
            late = self._late(query, end, limit)
            after = replace(query, since_ns=max(query.since_ns, end.line_id + 1))
            lines = self.page(after, limit, newest_first=False)
        shown = page((line for _, line in late), self._bounds.page_bytes)
        is_part = len(late) == limit or len(shown) < len(late)
        behind = late[len(shown) - 1][0] if is_part else last.behind
        line_id = lines[-1].id if lines else end.line_id
        return sorted([*shown, *lines], key=lambda line: line.id), End(line_id, behind)

    def _late(self, query: Query, end: End, limit: int) -> list[tuple[int, Line]]:
        """Return lines stored after `end` although their time is before it, with their numbers."""
        streams = self._streams(query)
        if streams is not None and not streams:
            return []
        found = conditions(query, streams)
        rows = self._rows(
            "SELECT behind, id, body FROM lines INDEXED BY lines_behind WHERE behind > ? "
            f"AND id <= ? AND {found.where} ORDER BY behind LIMIT ?",
            [end.behind, end.line_id, *found.values, limit],
        )
        return [(behind, Line(*line)) for behind, *line in rows]

    def thinned(self, query: Query, most: int) -> list[Line]:
        """Return about `most` of the lines that the query's labels allow, at even intervals."""
        streams = self._streams(query)
        every = -(-sum(count for _, _, count in self.counts(query, DAY_S, ["name"])) // most)
        if every <= 1:
            return self.page(query, most, newest_first=False)
        found = conditions(query, streams)
        numbered = (
            "SELECT id, row_number() OVER (ORDER BY id) AS n FROM lines "
            f"{self._by_share(query, streams)} WHERE {found.where}"
        )
        rows = self._rows(
            f"SELECT id, body FROM lines WHERE id IN (SELECT id FROM ({numbered}) WHERE n % ? = 0) "
            "ORDER BY id",
            [*found.values, every],
        )
        return page((Line(*row) for row in rows), self._bounds.page_bytes)

    def each(self, query: Query) -> Iterator[Line]:
        """Yield every matching line, oldest first; nothing stays open between two pages."""
        since_ns = query.since_ns
        while True:
            lines = self.page(replace(query, since_ns=since_ns), PAGE_LINES, newest_first=False)
            if not lines:
                return
            yield from lines
            since_ns = lines[-1].id + 1

    # --- figures ----------------------------------------------------------------------------

    def counts(self, query: Query, width_s: int, labels: Sequence[str]) -> list[Count]:
        """Count lines by bar, `width_s` seconds wide, and label values; ordered by bar."""
        for label in labels:
            if label not in Labels._fields:
                raise ValueError(
                    f"{label!r} is not a label; use one of {', '.join(Labels._fields)}"
                )
        streams = self._streams(query)
        if streams is not None and not streams:
            return []
        if not only_labels(query):
            by = _special_index(query) or self._by_share(query, streams)
            return self._of_labels([counted(query, streams, width_s, by)], width_s, labels)
        whole, edges = whole_seconds(query)
        by = self._by_share(query, streams)
        parts = [counted(edge, streams, width_s, by) for edge in edges]
        return self._of_labels([*parts, summed(whole, streams, width_s)], width_s, labels)

    def estimate(
        self, query: Query, width_s: int, labels: Sequence[str]
    ) -> tuple[list[Count], float]:
        """Estimate `counts` from a sample if very many lines would have to be read.

        Return also the share of the lines that was read; 1 if every line was counted.
        """
        streams = self._streams(query)
        if _special_index(query) or only_labels(query):
            return self.counts(query, width_s, labels), 1.0
        hashes, share = hashes_for(self._candidates(query, streams))
        if share < 1.0:
            # the index holds the time, which is all that the hash needs
            by = "" if searched(query) else "INDEXED BY lines_stream"
            parts = [counted(query, streams, width_s, by, hashes)]
            found = self._of_labels(parts, width_s, labels)
            if sum(n for _, _, n in found) >= LEAST_HITS:
                return [(bar, values, round(n / share)) for bar, values, n in found], share
        return self.counts(query, width_s, labels), 1.0

    def _candidates(self, query: Query, streams: frozenset[int] | None) -> int:
        """Return the number of lines that may match, judged by their labels or words."""
        if searched(query):
            found, values = word_search(query)
            return int(self._rows(f"SELECT count(*) {found}", values)[0][0])
        volume = self._volume_of_streams(query)
        return volume.total() if streams is None else sum(volume[s] for s in streams)

    def _of_labels(self, parts: Sequence[Sql], width_s: int, labels: Sequence[str]) -> list[Count]:
        """Turn counts by stream into counts by label."""
        rows = self._rows(
            f"SELECT {', '.join(('bar', 'sum(n)', *labels))} "
            f"FROM ({' UNION ALL '.join(sql for sql, _ in parts)}) JOIN streams "
            f"ON streams.id = stream GROUP BY {', '.join(('bar', *labels))} ORDER BY 1",
            [value for _, values in parts for value in values],
        )
        return [(bar * width_s, tuple(found), count) for bar, count, *found in rows]

    def _by_share(self, query: Query, streams: frozenset[int] | None) -> str:
        """Return the index clause for these streams; SQLite cannot know how rare they are."""
        if streams is None or query.words:
            return ""
        counts = self._volume_of_streams(query)
        share = sum(counts[stream] for stream in streams) / max(1, counts.total())
        return "INDEXED BY lines_stream" if share < RARE else "NOT INDEXED"

    def statistics(self, field: str, query: Query, sample: int = 1000) -> Counter[str]:
        """Count the values of a field in the newest `sample` matching lines."""
        counts: Counter[str] = Counter()
        for line in self.page(query, sample):
            value = field_of(line.record, field)
            if value is not None:
                counts[value] += 1
        return counts

    def label_values(self, label: str) -> list[str]:
        """Return every value of a label, without the empty one."""
        if label not in Labels._fields:
            return []
        rows = self._rows(f"SELECT DISTINCT {label} FROM streams WHERE {label} != ''")
        return [row[0] for row in rows]

    def streams(self, query: Query) -> list[Labels]:
        """Return the label sets of the lines that the query's labels allow."""
        allowed = self._streams(query)
        counts = self._volume_of_streams(query)
        rows = self._rows(f"SELECT id, {', '.join(Labels._fields)} FROM streams")
        return [
            Labels(*row[1:])
            for row in rows
            if counts[row[0]] and (allowed is None or row[0] in allowed)
        ]

    def end(self) -> End:
        """Return the current end of the store."""
        newest, behind = self._ends("max(id)", "max(behind)")
        return End(newest or 0, behind or 0)

    def span(self) -> tuple[int, int] | None:
        """Return the ids of the oldest and the newest line; None for an empty store."""
        first, last = self._ends("min(id)", "max(id)")
        return None if first is None else (first, last)

    def _ends(self, *extremes: str) -> tuple[Any, ...]:
        """Select each extreme by itself: for two in one SELECT, SQLite reads every line."""
        parts = ", ".join(f"(SELECT {extreme} FROM lines)" for extreme in extremes)
        return self._rows(f"SELECT {parts}")[0]

    def size(self) -> tuple[int, int]:
        """Return the number of lines and the store's size in bytes."""
        lines = self._rows("SELECT sum(lines) FROM volume")[0][0] or 0
        pages, page = (self._rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
        return lines, pages * page

    # --- streams ----------------------------------------------------------------------------

    def _streams(self, query: Query) -> frozenset[int] | None:
        """Return the streams that the query's labels and fields allow; None for all."""
        conditions, values = [], []
        for term in query.terms:
            if term.is_label:
                conditions.append(f"{term.field} {term.operator} ?")
                values.append(term.value)
            elif term.needs_field:
                conditions.append("id IN (SELECT stream FROM fields WHERE field = ?)")
                values.append(term.field.partition(".")[0])
        if not conditions:
            return None
        rows = self._rows(f"SELECT id FROM streams WHERE {' AND '.join(conditions)}", values)
        return frozenset(row[0] for row in rows)

    def _volume_of_streams(self, query: Query) -> Counter[int]:
        """Count the lines of each stream; the first and the last second count as a whole."""
        rows = self._rows(
            "SELECT stream, sum(lines) FROM volume WHERE second >= ? AND second <= ? GROUP BY 1",
            (query.since_ns // SECOND_NS, query.until_ns // SECOND_NS),
        )
        return Counter(dict(rows))


def _special_index(query: Query) -> str:
    """Return the clause for an index that selects few lines; "" if there is none."""
    if any(term.is_task for term in query.terms):
        return "INDEXED BY lines_task"
    return "INDEXED BY lines_latency" if any(term.is_latency for term in query.terms) else ""
