"""Answers queries: lines, their volume over time, the values of a field."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from mc_sched.obs.store.conditions import Conditions, conditions
from mc_sched.obs.store.line import Labels
from mc_sched.obs.store.query import Query

RARE = 0.05
"""Streams that hold less than this share of the lines are looked up, not met on the way."""
RARE_IN_ALL = 0.4
"""The same where every line has to be looked at, as for a histogram."""


Count = tuple[int, tuple[str, ...], int]


@dataclass(frozen=True)
class Line:
    """A stored line; `id` is its time in nanoseconds since 1970."""

    id: int
    body: str

    @property
    def record(self) -> dict[str, Any]:
        """The line as an object."""
        record: dict[str, Any] = orjson.loads(self.body)
        return record


class StoreReader:
    """Reads one store. For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- lines ------------------------------------------------------------------------------

    def lines(self, query: Query, limit: int, newest_first: bool = True) -> list[Line]:
        """At most `limit` lines, the newest or the oldest of those that match, in that order."""
        streams = self._streams(query)
        if streams is not None and not streams:
            return []
        found = conditions(query, streams)
        order = "DESC" if newest_first else "ASC"
        ids = (
            f"SELECT lines.id FROM lines {self._by(query, streams, RARE)} WHERE {found.where} "
            f"ORDER BY lines.id {order} LIMIT ?"
        )
        rows = self._connection.execute(
            f"SELECT id, body FROM lines WHERE id IN ({ids}) ORDER BY id {order}",
            (*found.values, limit),
        )
        return [Line(*row) for row in rows]

    def each(self, query: Query, at_once: int = 1000) -> Iterator[Line]:
        """Every line that matches, the oldest first, without holding them all."""
        since_ns = query.since_ns
        while True:
            part = replace(query, since_ns=since_ns)
            lines = self.lines(part, at_once, newest_first=False)
            yield from lines
            if len(lines) < at_once:
                return
            since_ns = lines[-1].id + 1

    def _by(self, query: Query, streams: frozenset[int] | None, rare: float) -> str:
        """Which index to go by; SQLite cannot know how rare a stream is."""
        if any(term.is_task for term in query.terms):
            return "INDEXED BY lines_task"
        if streams is None or query.words:
            return ""
        counts = self._volume_of_streams(query)
        share = sum(counts[stream] for stream in streams) / max(1, counts.total())
        return "INDEXED BY lines_stream" if share < rare else "NOT INDEXED"

    # --- figures ----------------------------------------------------------------------------

    def counts(self, query: Query, width_s: int, labels: Sequence[str]) -> list[Count]:
        """Bar's start in seconds, values of the labels, lines: ordered by the first."""
        for label in labels:
            if label not in Labels._fields:
                raise ValueError(f"{label!r} is no label; use one of {', '.join(Labels._fields)}")
        streams = self._streams(query)
        if streams is not None and not streams:
            return []
        if not _only_labels(query):
            counted, values = self._counted(query, streams, width_s)
        else:
            counted, values = self._summed(query, streams, width_s)
        rows = self._connection.execute(
            f"SELECT {', '.join(('bar', 'sum(n)', *labels))} FROM ({counted}) JOIN streams "
            f"ON streams.id = stream GROUP BY {', '.join(('bar', *labels))} ORDER BY 1",
            values,
        )
        return [(bar * width_s, tuple(found), count) for bar, count, *found in rows]

    def _counted(
        self, query: Query, streams: frozenset[int] | None, width_s: int
    ) -> tuple[str, list[object]]:
        found = conditions(query, streams)
        sql = (
            f"SELECT lines.id / {width_s * 10**9} AS bar, stream, count(*) AS n FROM lines "
            f"{self._by(query, streams, RARE_IN_ALL)} WHERE {found.where} GROUP BY 1, 2"
        )
        return sql, found.values

    def _summed(
        self, query: Query, streams: frozenset[int] | None, width_s: int
    ) -> tuple[str, list[object]]:
        """From the counts per second: no line is looked at."""
        found = Conditions()
        found.add("second >= ? AND second <= ?", query.since_ns // 10**9, query.until_ns // 10**9)
        if streams is not None:
            found.add(f"stream IN ({', '.join(map(str, sorted(streams)))})")
        sql = (
            f"SELECT second / {width_s} AS bar, stream, sum(lines) AS n FROM volume "
            f"WHERE {found.where} GROUP BY 1, 2"
        )
        return sql, found.values

    def statistics(self, field: str, query: Query, sample: int = 1000) -> Counter[str]:
        """How often each value of a field occurs in the newest `sample` lines that match."""
        counts: Counter[str] = Counter()
        for line in self.lines(query, sample):
            value = field_of(line.record, field)
            if value is not None:
                counts[value] += 1
        return counts

    def label_values(self, label: str) -> list[str]:
        """Every value that a label has, without "no value"."""
        if label not in Labels._fields:
            return []
        rows = self._connection.execute(f"SELECT DISTINCT {label} FROM streams WHERE {label} != ''")
        return [row[0] for row in rows]

    def streams(self, query: Query) -> list[Labels]:
        """The label sets of the lines that the labels of a query allow."""
        allowed = self._streams(query)
        counts = self._volume_of_streams(query)
        rows = self._connection.execute(f"SELECT id, {', '.join(Labels._fields)} FROM streams")
        return [
            Labels(*row[1:])
            for row in rows
            if counts[row[0]] and (allowed is None or row[0] in allowed)
        ]

    def span(self) -> tuple[int, int] | None:
        """The oldest and the newest line; None for an empty store."""
        first, last = self._connection.execute("SELECT min(id), max(id) FROM lines").fetchone()
        return None if first is None else (first, last)

    def size(self) -> tuple[int, int]:
        """Lines and bytes of the store."""
        lines = self._connection.execute("SELECT sum(lines) FROM volume").fetchone()[0] or 0
        pages, page = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size")
        )
        return lines, pages * page

    # --- streams ----------------------------------------------------------------------------

    def _streams(self, query: Query) -> frozenset[int] | None:
        """Those that the query's labels allow, and that have its fields; None for all."""
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
        where = " AND ".join(conditions)
        rows = self._connection.execute(f"SELECT id FROM streams WHERE {where}", values)
        return frozenset(row[0] for row in rows)

    def _volume_of_streams(self, query: Query) -> Counter[int]:
        rows = self._connection.execute(
            "SELECT stream, sum(lines) FROM volume WHERE second >= ? AND second <= ? GROUP BY 1",
            (query.since_ns // 10**9, query.until_ns // 10**9),
        )
        return Counter(dict(rows.fetchall()))


def _only_labels(query: Query) -> bool:
    on_the_line = query.words or query.phrases or query.without or query.patterns
    return not on_the_line and all(term.is_label for term in query.terms)


def field_of(record: dict[str, Any], field: str) -> str | None:
    """A field as a query names it, shown as text; None where the record has none."""
    if field == "task":
        return record.get("task_id")
    if field in Labels._fields:
        outcome = record.get("data", {}).get("outcome") or {}
        inside = {"site": "site", "outcome": "kind", "exit": "exit"}
        return outcome.get(inside[field]) if field in inside else record.get(field)
    value: Any = record.get("data")
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)
