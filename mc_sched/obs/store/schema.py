"""The tables of the store's SQLite file.

A line's id is its time: nanoseconds since 1970, increased by one for each line that would have the
same. So an order by id is an order by time, every index contains the time, and links to a line stay
valid.

`volume` counts lines per second and stream, so a histogram over labels reads no lines.
`fields` holds which streams have ever had a field, so a condition on a field reads only those.
`trace` is set on the first line of each task only, which is enough to find the task.
`behind` numbers the lines that were stored after a later one, as happens when a clock is set back.
A follower reads the lines after its last id, and these.
`latency_ns` of outcomes has an index, because most searches begin with slow tasks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from mc_sched.obs.store.patterns import has_match

VERSION = 5
"""Version of the tables and of the records in them. A reader refuses a store of another version; a
writer renames it and begins a new one.
"""
BUSY_S = 5.0
LARGEST_WAL_BYTES = 16_000_000
"""Size to which the write-ahead log shrinks once a long reader has finished."""

_TABLES = """
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY,
    node TEXT, level TEXT, kind TEXT, name TEXT, site TEXT, outcome TEXT, exit TEXT, worker TEXT,
    UNIQUE (node, level, kind, name, site, outcome, exit, worker)
);
CREATE TABLE IF NOT EXISTS fields (
    field TEXT, stream INTEGER, PRIMARY KEY (field, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    task TEXT,
    trace TEXT,
    latency_ns INTEGER,
    behind INTEGER,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS lines_stream ON lines (stream);
CREATE INDEX IF NOT EXISTS lines_task ON lines (task) WHERE task IS NOT NULL;
CREATE INDEX IF NOT EXISTS lines_trace ON lines (trace) WHERE trace IS NOT NULL;
CREATE INDEX IF NOT EXISTS lines_behind ON lines (behind) WHERE behind IS NOT NULL;
CREATE INDEX IF NOT EXISTS lines_latency ON lines (stream, latency_ns)
    WHERE latency_ns IS NOT NULL;
CREATE TABLE IF NOT EXISTS volume (
    second INTEGER, stream INTEGER, lines INTEGER NOT NULL,
    PRIMARY KEY (second, stream)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, content='', detail=none);
"""


def create(path: str | Path) -> sqlite3.Connection:
    """Open the store at `path` for writing; create it if it does not exist.

    Rename a store of another version and begin a new one. ":memory:" is a store without a file.
    Raise sqlite3.DatabaseError if the file is not a store.
    """
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = _opened(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        connection.close()
        _rename_old(path, version)
        connection = _opened(path)
    connection.execute("PRAGMA journal_mode = WAL")
    # with a write-ahead log, a power failure loses at most the last lines, never the file
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_WAL_BYTES}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


def open_to_read(path: str | Path) -> sqlite3.Connection:
    """Open an existing store for reading, by one thread at a time.

    Raise sqlite3.DatabaseError if the file is not a store, OSError if there is no file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such log store")
    connection = _opened(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        connection.close()
        raise sqlite3.DatabaseError(f"it has format {version}, this version reads {VERSION}")
    return connection


def _rename_old(path: str | Path, version: int) -> None:
    """Rename a store, with its write-ahead log, which a reader may have kept from being merged."""
    for part in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{part}", f"{path}.v{version}{part}")


def _opened(path: str | Path, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, uri=uri, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    # SQLite parses the operator REGEXP but leaves the function to the application
    connection.create_function("regexp", 2, has_match, deterministic=True)
    return connection
