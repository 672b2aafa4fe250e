"""Several stores queried as one: those of an edge and a cloud agent, or old and new logs."""

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
"""Start of a bar in seconds -> level -> number of lines."""


def open_stores(paths: Iterable[str | Path], bounds: Bounds = UNBOUNDED) -> Stores:
    """Open stores, or log files of JSON lines. Raise UserError if one cannot be read."""
    return Stores([_opened(Path(path), bounds) for path in paths], bounds)


def _opened(path: Path, bounds: Bounds) -> StoreReader:
    try:
        with path.open("rb") as file:
            is_store = file.read(len(_SQLITE)) == _SQLITE
        return StoreReader(open_to_read(path), bounds) if is_store else _read_in(path)
    except sqlite3.Error as error:
        raise UserError(f"{path}: not a log store of this version: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_in(path: Path) -> StoreReader:
    """Index a log of JSON lines in memory."""
    writer = StoreWriter(":memory:", KEEP_ALL)
    with path.open("rb") as file:
        while lines := [line.rstrip(b"\n") for line in islice(file, READ_AT_ONCE)]:
            writer.append(lines)
    return StoreReader(writer.connection)


class Stores:
    """Merges the answers of several readers. For one thread at a time."""

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
        """Return the newest or oldest `limit` matching lines, within the bounds.

        `ends`: leave out lines after each store's end.
        """
        queries = [query for _ in self._readers]
        if ends is not None:
            queries = [
                replace(query, until_ns=min(query.until_ns, end.line_id + 1)) for end in ends
            ]
        pairs = zip(self._readers, queries, strict=True)
        found = [reader.lines(query, limit, newest_first) for reader, query in pairs]
        merged = heapq.merge(*found, key=lambda line: line.id, reverse=newest_first)
        try:
            return page(islice(merged, limit), self._bounds.page_bytes)
        finally:
            for lines in found:
                lines.close()

    def start_ns(self, query: Query, limit: int) -> int:
        """Return the time of the first of the newest `limit` matching lines."""
        ids = (reader.ids(query, limit) for reader in self._readers)
        return next(islice(heapq.merge(*ids, reverse=True), limit - 1, None), query.since_ns)

    def ends(self) -> Ends:
        """Return the current end of each store."""
        return tuple(reader.end() for reader in self._readers)

    def newer(self, query: Query, ends: Ends, limit: int) -> tuple[list[Line], Ends]:
        """Return the lines that each store has got after its end, oldest first, and the new ends.

        Each store has its own end, because two agents write at different times: a line may be
        stored later than a younger line of the other agent.
        """
        found = [
            reader.newer(query, end, limit) for reader, end in zip(self._readers, ends, strict=True)
        ]
        lines = heapq.merge(*(lines for lines, _ in found), key=lambda line: line.id)
        return list(lines), tuple(end for _, end in found)

    def thinned(self, query: Query, most: int) -> list[Line]:
        """Return about `most` of the lines that the query's labels allow, at even intervals."""
        found = (reader.thinned(query, most) for reader in self._readers)
        return list(heapq.merge(*found, key=lambda line: line.id))

    def each(self, query: Query) -> Iterator[Line]:
        """Yield every matching line, oldest first."""
        return heapq.merge(*(r.each(query) for r in self._readers), key=lambda line: line.id)

    def around(self, line_id: int, count: int) -> list[Line]:
        """Return a line with the `count` lines before and after it, oldest first."""
        before = self.lines(Query(until_ns=line_id), count)
        return [*reversed(before), *self.lines(Query(since_ns=line_id), count + 1, False)]

    def counts(self, query: Query, width_s: int, labels: Sequence[str]) -> list[Count]:
        """Count lines by bar and label values; see `StoreReader.counts`."""
        joined: Counter[tuple[int, tuple[str, ...]]] = Counter()
        for reader in self._readers:
            for bar, values, count in reader.counts(query, width_s, labels):
                joined[bar, values] += count
        return [(*key, count) for key, count in sorted(joined.items())]

    def volume(self, query: Query, width_s: int) -> Bars:
        """Count lines by level in each interval of `width_s` seconds that has any."""
        return _bars(self.counts(query, width_s, ["level"]))

    def estimated_volume(self, query: Query, width_s: int) -> tuple[Bars, float]:
        """Estimate `volume` in a bounded time, even if very many lines may match.

        Return also the smallest share of the lines that was read; 1 if every line was counted.
        """
        found = [reader.estimate(query, width_s, ["level"]) for reader in self._readers]
        counts = [count for counts, _ in found for count in counts]
        return _bars(counts), min((share for _, share in found), default=1.0)

    def statistics(self, field: str, query: Query, sample: int = 1000) -> Counter[str]:
        """Count the values of a field in the newest matching lines of each store."""
        return sum((r.statistics(field, query, sample) for r in self._readers), Counter())

    def label_values(self, label: str) -> list[str]:
        """Return every value of a label, sorted; levels from the most severe down."""
        values = {value for reader in self._readers for value in reader.label_values(label)}
        order = {level: at for at, level in enumerate(LEVELS)}
        return sorted(values, key=lambda value: (order.get(value, 0), value))

    def streams(self, query: Query) -> list[Labels]:
        """Return the label sets that the query's labels allow."""
        return sorted({labels for reader in self._readers for labels in reader.streams(query)})

    def span(self) -> tuple[int, int] | None:
        """Return the ids of the oldest and the newest line; None if there are none."""
        spans = [span for reader in self._readers if (span := reader.span())]
        return (min(a for a, _ in spans), max(b for _, b in spans)) if spans else None

    def size(self) -> tuple[int, int]:
        """Return the number of lines and the size in bytes."""
        sizes = [reader.size() for reader in self._readers]
        return sum(lines for lines, _ in sizes), sum(size for _, size in sizes)


def _bars(counts: Iterable[Count]) -> Bars:
    bars: Bars = {}
    for bar, (level,), count in counts:
        levels = bars.setdefault(bar, {})
        levels[level] = levels.get(level, 0) + count
    return dict(sorted(bars.items()))
