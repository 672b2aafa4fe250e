"""Limits on what one client may have open at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class QuotaExceeded(Exception):
    """Raised if a client has reached its limit."""


class Quota:
    """Counts the open calls or tasks of each client; `plural` names them in the error."""

    def __init__(self, most: int, plural: str) -> None:
        self.most = most
        self._plural = plural
        self._open: Counter[str] = Counter()

    def enter(self, client: str) -> None:
        """Count one more until `leave`; QuotaExceeded if the limit is reached."""
        if self._open[client] >= self.most:
            raise QuotaExceeded(
                f"overload: {client} has {self.most} {self._plural} open already, "
                "the limit per client"
            )
        self._open[client] += 1

    def leave(self, client: str) -> None:
        """Count one less."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Count one for the duration of the block; QuotaExceeded if the limit is reached."""
        self.enter(client)
        try:
            yield
        finally:
            self.leave(client)
