"""Throttle for a client that sends tasks without credit: it is slowed down, then cut."""

from __future__ import annotations

BURST = 200
"""Tasks without credit that cost nothing but their refusal."""
RATE_PER_S = 50
"""Rate at which they are forgotten, and to which a client is slowed down."""
CUT_NS = 10_000_000_000
"""Time after which a client that has been slowed down and goes on is cut."""


class Throttle:
    """One session's tasks without credit, as a leaky bucket."""

    def __init__(self) -> None:
        self._level = 0.0
        self._last_ns = 0
        self._slowed_ns: int | None = None
        self.exhausted = False
        """True when the session must end."""

    def pause_ns(self, now_ns: int) -> int:
        """Count a task without credit; return for how long nothing of this session is read."""
        leaked = (now_ns - self._last_ns) * RATE_PER_S / 1e9
        self._level, self._last_ns = max(0.0, self._level - leaked) + 1, now_ns
        if self._level <= BURST:
            if self._level < BURST / 2:
                self._slowed_ns = None
            return 0
        if self._slowed_ns is None:
            self._slowed_ns = now_ns
        self.exhausted = now_ns - self._slowed_ns > CUT_NS
        return 10**9 // RATE_PER_S
