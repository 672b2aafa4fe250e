"""Lag of an event loop: how late it runs its callbacks.

A message waits at least this long before its handler runs, and nothing else in the process can see
that wait. A timer fires a few times per second and measures how late it is. A timer that is overdue
when the lag is read has not fired because the loop is still at work. So its lateness up to now is
the lag of the current turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mc_sched.core.predictors.sliding_min import SlidingMin

INTERVAL_NS = 200_000_000
"""Time between two measurements: each wakes the loop, which may interrupt a computation."""
RECENT_NS = 1_000_000_000
"""Age at which a measurement no longer counts."""


class LoopLag:
    """Measures the lag of one loop from `start` to `stop`; used on the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`clock` returns nanoseconds, as `time.monotonic_ns` does."""
        self._loop, self._clock = loop, clock
        self._greatest = SlidingMin(RECENT_NS)
        """Recent lags, negated."""
        self._due_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._asked_ns: int | None = None
        """Moment of a `touch` whose turn has not ended; None: no measurement is under way."""

    def start(self) -> None:
        """Begin to measure."""
        self._due_ns = self._clock() + INTERVAL_NS
        self._timer = self._loop.call_later(INTERVAL_NS / 1e9, self._fire)

    def stop(self) -> None:
        """End the measurements."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def recent_ns(self) -> int:
        """Return the greatest lag of the last second, that of the current turn included."""
        now_ns = self._clock()
        recent_ns = -int(self._greatest.least(now_ns, 0))
        overdue_ns = 0 if self._timer is None else now_ns - self._due_ns
        return max(0, recent_ns, overdue_ns)

    def touch(self) -> None:
        """Measure the time until the loop's next turn, because it has work at this moment.

        A loop under load is thus measured turn by turn, and an idle one is not woken.
        """
        if self._asked_ns is None:
            self._asked_ns = self._clock()
            self._loop.call_soon(self._turned)

    def _turned(self) -> None:
        assert self._asked_ns is not None
        now_ns = self._clock()
        self._greatest.add(now_ns, self._asked_ns - now_ns)
        self._asked_ns = None

    def _fire(self) -> None:
        now_ns = self._clock()
        self._greatest.add(now_ns, self._due_ns - now_ns)
        self.start()
