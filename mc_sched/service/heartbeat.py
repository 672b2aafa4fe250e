"""Whether a worker gets on with its work: the watchdog is fed only while it does."""

from __future__ import annotations

import threading
import time

STUCK_NS = 20 * 10**9
"""No layer, stage or payload takes this long on any device that keeps a deadline."""


class Heartbeat:
    """Beats between two pieces of work; one worker writes, anybody reads."""

    def __init__(self, worker: threading.Thread, stuck_ns: int = STUCK_NS) -> None:
        self._worker = worker
        self._stuck_ns = stuck_ns
        self._since_ns: int | None = None

    def beat(self) -> None:
        """A piece of work begins."""
        self._since_ns = time.monotonic_ns()

    def rest(self) -> None:
        """There is nothing to do."""
        self._since_ns = None

    @property
    def steady(self) -> bool:
        """Whether the worker lives and is not stuck in a piece of work."""
        since_ns = self._since_ns
        stuck = since_ns is not None and time.monotonic_ns() - since_ns > self._stuck_ns
        return self._worker.is_alive() and not stuck
