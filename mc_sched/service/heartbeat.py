"""Detection of stuck workers: the watchdog is pinged only while all workers make progress."""

from __future__ import annotations

import threading
import time

STUCK_NS = 20 * 10**9
"""Longer than any layer, stage or payload takes on a device that can meet a deadline."""


class Heartbeat:
    """The start of a worker's current piece of work; the worker writes it, any thread reads it."""

    def __init__(self, worker: threading.Thread, stuck_ns: int = STUCK_NS) -> None:
        self._worker = worker
        self._stuck_ns = stuck_ns
        self._since_ns: int | None = None

    def beat(self) -> None:
        """Record the start of a piece of work."""
        self._since_ns = time.monotonic_ns()

    def rest(self) -> None:
        """Record that the worker is idle."""
        self._since_ns = None

    @property
    def steady(self) -> bool:
        """True if the worker's thread is alive and not stuck in a piece of work."""
        since_ns = self._since_ns
        stuck = since_ns is not None and time.monotonic_ns() - since_ns > self._stuck_ns
        return self._worker.is_alive() and not stuck
