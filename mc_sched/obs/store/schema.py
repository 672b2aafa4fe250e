"""How the store lies in its file.

A line's id is its time: nanoseconds since 1970, moved up by one where two would be the same. So
whatever is sorted by id is sorted by time, every index knows the time, and a link to a line stays.
`volume` counts lines per second and stream: a histogram over labels never looks at the lines.
`fields` says which streams have ever had a field, so that a condition on one looks at those only.
`trace`, to which a task belongs, stands with its first line alone: one entry for all of them.
`behind` numbers the lines that came in behind a later one, as a clock that was set back has it: who
follows a store asks for what lies after its last line, and for these.
`latency_ns`, of outcomes, has an index: how long tasks took is what most people ask first.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from mc_sched.obs.store.patterns import has_match

VERSION = 3
"""Of this schema; a store of another version is told, not read, and set aside by a writer."""
BUSY_S = 5.0
LARGEST_LOG_BYTES = 16_000_000
"""Of the write-ahead log, once a reader that held it open has gone."""

_TABLES = """
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY,
    node TEXT, level TEXT, kind TEXT, name TEXT, site TEXT, outcome TEXT, exit TEXT,
    UNIQUE (node, level, kind, name, site, outcome, exit)
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
    """The store at `path`, made if it is not there; ":memory:" is one that nobody keeps.

    One of another version is renamed and a new one begun. Raises sqlite3.DatabaseError where the
    file is something else.
    """
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = _opened(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        connection.close()
        _set_aside(path, version)
        connection = _opened(path)
    connection.execute("PRAGMA journal_mode = WAL")
    # with a write-ahead log this loses at most the last lines when the power goes, never the file
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG_BYTES}")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


def open_to_read(path: str | Path) -> sqlite3.Connection:
    """An existing store, for reading only and for any one thread at a time.

    Raises sqlite3.DatabaseError for what is no store, OSError where there is none.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no log store")
    connection = _opened(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        connection.close()
        raise sqlite3.DatabaseError(f"its format is {version}, this version reads {VERSION}")
    return connection


def _set_aside(path: str | Path, version: int) -> None:
    """Rename a store, with the log that a reader may have kept from being merged into it."""
    for part in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{part}", f"{path}.v{version}{part}")


def _opened(path: str | Path, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, uri=uri, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    # SQLite has the operator REGEXP and leaves its meaning to us
    connection.create_function("regexp", 2, has_match, deterministic=True)
    return connection
