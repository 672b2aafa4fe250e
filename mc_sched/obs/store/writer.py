"""Writes lines to the store and deletes the oldest when they are too many or too old.

One thread writes; others may read meanwhile (SQLite's write-ahead log).
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mc_sched.obs.log.background import yielding
from mc_sched.obs.store.line import Indexed, Labels, index, words_of
from mc_sched.obs.store.reader import StoreReader
from mc_sched.obs.store.schema import create

PRUNE_EVERY_LINES = 2_000
PRUNED_AT_ONCE = 4_000
"""Twice the lines that arrive in between, so that a store over its limit shrinks without a long
pause.
"""
REMEMBERED = 10_000
"""Entries of the caches of line shapes and traced tasks."""
CLOCK_STEP_NS = 10**9
"""If the wall clock goes back by more, it was set; if by less, lines keep their order instead."""
KEPT = ("config", "CloudFound")
"""The last record of each name and worker is never deleted: a replay begins with them."""


@dataclass(frozen=True)
class Limits:
    """Limits on a store's size and on the age of its lines."""

    max_bytes: int = 256_000_000
    max_age_ns: int = 7 * 86_400 * 10**9


KEEP_ALL = Limits(2**62, 2**62)


class StoreWriter:
    """The one writer of a store."""

    def __init__(self, path: str | Path, limits: Limits = Limits()) -> None:
        """Raise sqlite3.DatabaseError or OSError if the store cannot be opened or created."""
        self._limits = limits
        self._connection = create(path)
        self._streams: dict[Labels, int] = {}
        self._shapes: set[tuple[tuple[str, ...], int]] = set()
        """(fields of a line, stream) pairs whose fields are stored already."""
        self._traced: set[tuple[str, str]] = set()
        """(task, trace) pairs that are stored already."""
        end = StoreReader(self._connection).end()
        self._newest, self._behind = end.line_id, end.behind
        self._last = self._newest
        self._since_pruned = PRUNE_EVERY_LINES

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for a reader in the same thread."""
        return self._connection

    def append(self, lines: Sequence[bytes]) -> bool:
        """Store all the lines or none; return True if they were stored."""
        now_ns = time.time_ns()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._insert([index(line, now_ns) for line in yielding(lines)])
                self._prune_in_time(len(lines), now_ns)
            except BaseException:
                self._streams.clear()
                self._shapes.clear()
                self._traced.clear()
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _insert(self, lines: Sequence[Indexed]) -> None:
        volume: Counter[tuple[int, int]] = Counter()
        rows, words = [], []
        fields: set[tuple[str, int]] = set()
        for line in lines:
            line_id, behind = self._free_id(line.wall_ns)
            stream = self._stream(line.labels)
            about = (line.task_id or None, self._new_trace(line))
            rows.append((line_id, stream, *about, line.latency_ns, behind, line.body))
            words.append((line_id, line.words))
            volume[line_id // 10**9, stream] += 1
            if (line.fields, stream) not in self._shapes:
                if len(self._shapes) >= REMEMBERED:
                    self._shapes.clear()
                self._shapes.add((line.fields, stream))
                fields.update((field, stream) for field in line.fields)
        execute = self._connection.executemany
        execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        execute("INSERT INTO words (rowid, text) VALUES (?, ?)", words)
        execute(
            "INSERT INTO volume VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET lines = lines + excluded.lines",
            [(*key, count) for key, count in volume.items()],
        )
        execute("INSERT OR IGNORE INTO fields VALUES (?, ?)", list(fields))

    def _new_trace(self, line: Indexed) -> str | None:
        """Return the trace of the line's task if it is not stored yet, else None."""
        known = (line.task_id, line.trace_id)
        if not line.trace_id or known in self._traced:
            return None
        if len(self._traced) >= REMEMBERED:
            self._traced.clear()
        self._traced.add(known)
        return line.trace_id

    def _free_id(self, wall_ns: int) -> tuple[int, int | None]:
        """Return a new line's id and its number in `behind`; None if the line is in order.

        The id is the line's time, or the next free nanosecond after the line before.
        """
        set_back = self._last - wall_ns > CLOCK_STEP_NS
        free = wall_ns if set_back else max(wall_ns, self._last + 1)
        if free <= self._newest:
            taken = "SELECT 1 FROM lines WHERE id = ?"
            while self._connection.execute(taken, (free,)).fetchone():
                free += 1
        self._last = free
        if free > self._newest:
            self._newest = free
            return free, None
        self._behind += 1
        return free, self._behind

    def _stream(self, labels: Labels) -> int:
        known = self._streams.get(labels)
        if known is None:
            execute = self._connection.execute
            where = " AND ".join(f"{name} = ?" for name in Labels._fields)
            execute(
                f"INSERT OR IGNORE INTO streams ({', '.join(Labels._fields)}) "
                f"VALUES ({', '.join('?' * len(labels))})",
                labels,
            )
            known = int(execute(f"SELECT id FROM streams WHERE {where}", labels).fetchone()[0])
            self._streams[labels] = known
        return known

    # --- limits -----------------------------------------------------------------------------

    def _prune_in_time(self, lines: int, now_ns: int) -> None:
        self._since_pruned += lines
        if self._since_pruned < PRUNE_EVERY_LINES:
            return
        self._since_pruned = 0
        oldest = None if self._is_too_large() else now_ns - self._limits.max_age_ns
        self._prune(oldest)

    def _is_too_large(self) -> bool:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return bool((pages - free) * size > self._limits.max_bytes)

    def _prune(self, oldest: int | None) -> None:
        """Delete the oldest lines, at most a batch; with `oldest`, only those before that time."""
        execute = self._connection.execute
        kept = (
            "SELECT max(lines.id) FROM lines JOIN streams ON streams.id = stream "
            "WHERE name IN (?, ?) GROUP BY name, worker"
        )
        rows = execute(
            f"SELECT id, stream, body FROM lines WHERE id < ? AND id NOT IN ({kept}) "
            "ORDER BY id LIMIT ?",
            (self._newest if oldest is None else oldest, *KEPT, PRUNED_AT_ONCE),
        ).fetchall()
        volume = Counter((line_id // 10**9, stream) for line_id, stream, _ in rows)
        many = self._connection.executemany
        many(
            "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)",
            [(line_id, words_of(body)) for line_id, _, body in yielding(rows)],
        )
        many("DELETE FROM lines WHERE id = ?", [(line_id,) for line_id, _, _ in rows])
        many(
            "UPDATE volume SET lines = lines - ? WHERE second = ? AND stream = ?",
            [(count, *key) for key, count in volume.items()],
        )
        if rows:
            execute("DELETE FROM volume WHERE lines <= 0 AND second <= ?", (rows[-1][0] // 10**9,))
