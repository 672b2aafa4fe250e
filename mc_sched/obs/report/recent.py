"""Statistics of the last seconds, from log records as they arrive."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from mc_sched.core.quantiles import nearest_rank
from mc_sched.obs.log.event_log import Record


class Recent:
    """The outcomes of the last `window_s` seconds, from an edge's records."""

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._began_s = clock()
        self._outcomes: deque[tuple[float, dict[str, Any]]] = deque()

    def take(self, record: Record) -> None:
        """Add a record; records other than outcomes are ignored."""
        if record["name"] == "Finish":
            self._outcomes.append((self._clock(), record["data"]["outcome"]))

    def figures(self) -> dict[str, Any]:
        """Return rate, outcomes, sites, exits, give-ups and latency quantiles."""
        now_s = self._clock()
        while self._outcomes and self._outcomes[0][0] < now_s - self._window_s:
            self._outcomes.popleft()
        outcomes = [outcome for _, outcome in self._outcomes]
        seen_s = max(1e-9, min(self._window_s, now_s - self._began_s))
        kinds = Counter(outcome["kind"] for outcome in outcomes)
        answered = sorted(o["latency_ns"] / 1e6 for o in outcomes if o["prediction"]) or [0.0]
        return {
            "window_s": self._window_s,
            "rate_per_s": len(outcomes) / seen_s,
            "outcomes": dict(kinds),
            "deadline_met": kinds["succeeded"] / max(1, len(outcomes)),
            "sites": dict(Counter(o["site"] for o in outcomes if o["site"])),
            "exits": dict(Counter(o["exit"] for o in outcomes if o["exit"])),
            "gave_up": sum(o["gave_up"] for o in outcomes),
            "latency_ms": {
                name: nearest_rank(answered, share)
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
        }
