"""A connection to a store that gives up on a question which takes too long."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mc_sched.errors import UserError

LOOK_EVERY_OPS = 50_000
"""Steps of SQLite's machine, some milliseconds, between two looks at the clock."""


class QueryConnection:
    """For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, patience_s: float) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._due_s = float("inf")
        if patience_s < float("inf"):
            connection.set_progress_handler(lambda: time.monotonic() > self._due_s, LOOK_EVERY_OPS)
        self.cursor = connection.cursor
        self.close = connection.close

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The whole answer."""
        with self.in_time():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Give up on a question, with its parts, that takes too long; UserError tells why."""
        outer_s = self._due_s
        self._due_s = min(outer_s, time.monotonic() + self._patience_s)
        try:
            yield
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise UserError(
                f"this takes longer than {self._patience_s:.0f} s; "
                "ask for a shorter time, or for one label or task"
            ) from None
        finally:
            self._due_s = outer_s

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is asked meanwhile is answered as of one moment."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")
