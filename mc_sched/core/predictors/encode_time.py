"""Time that the edge takes to make a payload: the profile, corrected by what is measured.

A worker of its own makes one payload at a time, beside the local net.
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.tables import LocalTable

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Measured over profiled time before anything was encoded."""


class EncodeTimePredictor:
    """Forecasts per codec; a codec whose payload is ready at submission takes no time."""

    def __init__(self, table: LocalTable, quantile: float) -> None:
        self._profiled_ns = table.encode_ns
        self._quantile = quantile
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR)

    def needs_time(self, codec: str) -> bool:
        """Whether a payload of this codec has to be made first."""
        return codec in self._profiled_ns

    def ended(self, now_ns: int, codec: str, took_ns: int) -> None:
        """A payload was made in `took_ns`."""
        profiled_ns = self._profiled_ns.get(codec, 0)
        if profiled_ns > 0:
            self._slowdown.add(now_ns, took_ns / profiled_ns)

    def mean_ns(self, now_ns: int, codec: str) -> int:
        """Mean time to make a payload."""
        profiled_ns = self._profiled_ns.get(codec, 0)
        return int(profiled_ns * self._slowdown.mean(now_ns)) if profiled_ns else 0

    def upper_ns(self, now_ns: int, codec: str) -> int:
        """Upper quantile of that time."""
        profiled_ns = self._profiled_ns.get(codec, 0)
        if not profiled_ns:
            return 0
        return int(profiled_ns * self._slowdown.quantile(now_ns, self._quantile))
