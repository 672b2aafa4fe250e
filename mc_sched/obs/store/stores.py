"""Several stores asked as one: those of an edge and a cloud agent, or old logs beside new ones."""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mc_sched.errors import UserError
from mc_sched.obs.store.bounds import UNBOUNDED, Bounds, End, Line, page
from mc_sched.obs.store.line import LEVELS, Labels
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.reader import Count, StoreReader
from mc_sched.obs.store.schema import open_to_read
from mc_sched.obs.store.writer import KEEP_ALL, StoreWriter

READ_AT_ONCE = 5_000
_SQLITE = b"SQLite format 3\0"
Ends = tuple[End, ...]
Bars = dict[int, dict[str, int]]
"""Counts by level, by a bar's start in seconds."""


def open_stores(paths: Iterable[str | Path], bounds: Bounds = UNBOUNDED) -> Stores:
    """Each path is a store, or a log file of JSON lines; UserError says what is wrong with one."""
    return Stores([_opened(Path(path), bounds) for path in paths], bounds)


def _opened(path: Path, bounds: Bounds) -> StoreReader:
    try:
        with path.open("rb") as file:
            is_store = file.read(len(_SQLITE)) == _SQLITE
        return StoreReader(open_to_read(path), bounds) if is_store else _read_in(path)
    except sqlite3.Error as error:
        raise UserError(f"{path}: is no log store of this version: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_in(path: Path) -> StoreReader:
    """A log of JSON lines, indexed in memory."""
    writer = StoreWriter(":memory:", KEEP_ALL)
    with path.open("rb") as file:
        while lines := [line.rstrip(b"\n") for line in islice(file, READ_AT_ONCE)]:
            writer.append(lines)
    return StoreReader(writer.connection)


class Stores:
    """The readers' answers, joined. For one thread at a time."""

    def __init__(self, readers: Sequence[StoreReader], bounds: Bounds = UNBOUNDED) -> None:
        self._readers = readers
        self._bounds = bounds

    def close(self) -> None:
        """Close every store."""
        for reader in self._readers:
            reader.close()

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lines(
        self, query: Query, limit: int, newest_first: bool = True, ends: Ends | None = None
    ) -> list[Line]:
        """As of one store, in one piece and no more than the bounds allow; only up to `ends`."""
        queries = [query for _ in self._readers]
        if ends is not None:
            queries = [
                replace(query, until_ns=min(query.until_ns, end.line_id + 1)) for end in ends
            ]
        asked = zip(self._readers, queries, strict=True)
        found = [reader.lines(query, limit, newest_first) for reader, query in asked]
        merged = heapq.merge(*found, key=lambda line: line.id, reverse=newest_first)
        try:
            return page(islice(merged, limit), self._bounds.page_bytes)
        finally:
            for lines in found:
                lines.close()

    def start_ns(self, query: Query, limit: int) -> int:
        """Where the newest `limit` lines that match begin."""
        ids = (reader.ids(query, limit) for reader in self._readers)
        return next(islice(heapq.merge(*ids, reverse=True), limit - 1, None), query.since_ns)

    def ends(self) -> Ends:
        """Up to where each store is filled now."""
        return tuple(reader.end() for reader in self._readers)

    def newer(self, query: Query, ends: Ends, limit: int) -> tuple[list[Line], Ends]:
        """What each store has got behind its end, oldest first, and where they end then.

        Each has an end of its own: two agents write at different moments, so that a line may come
        in later than one of the other agent's that is younger.
        """
        found = [
            reader.newer(query, end, limit) for reader, end in zip(self._readers, ends, strict=True)
        ]
        lines = heapq.merge(*(lines for lines, _ in found), key=lambda line: line.id)
        return list(lines), tuple(end for _, end in found)

    def thinned(self, query: Query, most: int) -> list[Line]:
        """About `most` of the lines that the labels allow, evenly spread, oldest first."""
        found = (reader.thinned(query, most) for reader in self._readers)
        return list(heapq.merge(*found, key=lambda line: line.id))

    def each(self, query: Query) -> Iterator[Line]:
        """Every line that matches, oldest first."""
        return heapq.merge(*(r.each(query) for r in self._readers), key=lambda line: line.id)

    def around(self, line_id: int, count: int) -> list[Line]:
        """A line with the `count` before and behind it, oldest first."""
        before = self.lines(Query(until_ns=line_id), count)
        return [*reversed(before), *self.lines(Query(since_ns=line_id), count + 1, False)]

    def counts(self, query: Query, width_s: int, labels: Sequence[str]) -> list[Count]:
        """Bar's start in seconds, values of the labels, lines."""
        joined: Counter[tuple[int, tuple[str, ...]]] = Counter()
        for reader in self._readers:
            for bar, values, count in reader.counts(query, width_s, labels):
                joined[bar, values] += count
        return [(*key, count) for key, count in sorted(joined.items())]

    def volume(self, query: Query, width_s: int) -> Bars:
        """Lines by level in each `width_s` seconds that have any."""
        return _bars(self.counts(query, width_s, ["level"]))

    def estimated_volume(self, query: Query, width_s: int) -> tuple[Bars, float]:
        """The same, soon even if very many lines may match; with the share that was looked at.

        The least of the stores' shares; 1 where each line was counted.
        """
        found = [reader.estimate(query, width_s, ["level"]) for reader in self._readers]
        counts = [count for counts, _ in found for count in counts]
        return _bars(counts), min((share for _, share in found), default=1.0)

    def statistics(self, field: str, query: Query, sample: int = 1000) -> Counter[str]:
        """How often each value of a field occurs in the newest lines that match, of each store."""
        return sum((r.statistics(field, query, sample) for r in self._readers), Counter())

    def label_values(self, label: str) -> list[str]:
        """Every value that a label has; levels from the gravest down."""
        values = {value for reader in self._readers for value in reader.label_values(label)}
        order = {level: at for at, level in enumerate(LEVELS)}
        return sorted(values, key=lambda value: (order.get(value, 0), value))

    def streams(self, query: Query) -> list[Labels]:
        """The label sets that the labels of a query allow."""
        return sorted({labels for reader in self._readers for labels in reader.streams(query)})

    def span(self) -> tuple[int, int] | None:
        """The oldest and the newest line; None if there is none."""
        spans = [span for reader in self._readers if (span := reader.span())]
        return (min(a for a, _ in spans), max(b for _, b in spans)) if spans else None

    def size(self) -> tuple[int, int]:
        """Lines and bytes."""
        sizes = [reader.size() for reader in self._readers]
        return sum(lines for lines, _ in sizes), sum(size for _, size in sizes)


def _bars(counts: Iterable[Count]) -> Bars:
    bars: Bars = {}
    for bar, (level,), count in counts:
        levels = bars.setdefault(bar, {})
        levels[level] = levels.get(level, 0) + count
    return dict(sorted(bars.items()))
