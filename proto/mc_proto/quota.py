"""How much one client may have open at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class QuotaExceeded(Exception):
    """One client has as much open as it may."""


class Quota:
    """Counts what is open by client; `what` names it in the refusal."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self._what = what
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Hold one for as long as the block lasts; QuotaExceeded if that were one too many."""
        if self._open[client] >= self.most:
            raise QuotaExceeded(f"overload: {client} has {self.most} {self._what} open already")
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
