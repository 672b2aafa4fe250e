"""A connection to a store whose queries are interrupted if they take too long."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mc_sched.errors import UserError

CHECK_EVERY_OPS = 50_000
"""Instructions of SQLite's virtual machine between two looks at the clock: some milliseconds."""


class QueryConnection:
    """A connection with a time limit for each query. For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, patience_s: float) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._due_s = float("inf")
        self._interrupted = False
        if patience_s < float("inf"):
            connection.set_progress_handler(self._is_overdue, CHECK_EVERY_OPS)
        self.cursor = connection.cursor
        self.close = connection.close

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of the answer."""
        with self.in_time():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Limit the time of the queries inside; raise UserError if they take too long.

        Within another `in_time`, the outer limit holds as well.
        """
        self._interrupted = False
        outer_s = self._due_s
        self._due_s = min(outer_s, time.monotonic() + self._patience_s)
        try:
            yield
        except sqlite3.OperationalError:
            if not self._interrupted:
                raise
            raise UserError(
                f"the query takes longer than {self._patience_s:.0f} s; "
                "choose a shorter time range, one label or one task"
            ) from None
        finally:
            self._due_s = outer_s

    def _is_overdue(self) -> bool:
        """SQLite's progress handler: True interrupts the running query."""
        self._interrupted = time.monotonic() > self._due_s
        return self._interrupted

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Answer all queries inside from one state of the store."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")
