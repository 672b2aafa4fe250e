"""How the store lies in its file.

A line's id is its time: nanoseconds since 1970, moved up by one where two would be the same. So
whatever is sorted by id is sorted by time, every index knows the time, and a link to a line stays.
`volume` counts lines per second and stream: a histogram over labels never looks at the lines.
`fields` says which streams have ever had a field, so that a condition on one looks at those only.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

VERSION = 1
"""Of this schema; a store of another version is told, not read."""
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
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS lines_stream ON lines (stream);
CREATE INDEX IF NOT EXISTS lines_task ON lines (task) WHERE task IS NOT NULL;
CREATE TABLE IF NOT EXISTS volume (
    second INTEGER, stream INTEGER, lines INTEGER NOT NULL,
    PRIMARY KEY (second, stream)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, content='', detail=none);
"""


def create(path: str | Path) -> sqlite3.Connection:
    """The store at `path`, made if it is not there; ":memory:" is one that nobody keeps.

    Raises sqlite3.DatabaseError where the file is something else.
    """
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    _prepare(connection)
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
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    _prepare(connection)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        connection.close()
        raise sqlite3.DatabaseError(f"its format is {version}, this version reads {VERSION}")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """SQLite has the operator REGEXP and leaves its meaning to us."""
    connection.create_function("regexp", 2, _has_match, deterministic=True)


def _has_match(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None  # `re` keeps what it has compiled
