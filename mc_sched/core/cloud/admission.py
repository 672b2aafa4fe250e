"""Which exits can serve a payload that has come to the cloud, or why none can."""

from __future__ import annotations

from mc_sched.core.events import Arrived, Received
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.tables import CloudTable, Exit


class CloudAdmission:
    """Algorithm II's first step: the acceptable exit closest to the input that is in time."""

    def __init__(self, table: CloudTable, times: CloudTimePredictor) -> None:
        self._table, self._times = table, times

    def candidates(self, event: Arrived | Received, left_ns: int) -> tuple[Exit, ...] | str:
        """The first acceptable exit in time and those behind it; or the reason to refuse."""
        accurate = self._table.acceptable(event.codec, event.accuracy)
        if not accurate:
            return self._inaccurate(event)
        stage = self.first_stage(event)
        for place, exit_ in enumerate(accurate):
            if self._times.upper_ns(event.now_ns, exit_, stage) <= left_ns:
                return accurate[place:]
        return self._too_slow(event, accurate, left_ns)

    def first_stage(self, event: Arrived | Received) -> int:
        """Where this payload enters the net."""
        return self._table.codec_named(event.codec).stage

    def _inaccurate(self, event: Arrived | Received) -> str:
        best = max((e.accuracy.get(event.codec, 0.0) for e in self._table.exits), default=0.0)
        return f"the best exit reaches accuracy {best:.3f}, {event.accuracy:.3f} is demanded"

    def _too_slow(self, event: Arrived | Received, accurate: tuple[Exit, ...], left_ns: int) -> str:
        stage = self.first_stage(event)
        needed_ns = min(self._times.upper_ns(event.now_ns, e, stage) for e in accurate)
        return (
            f"the first acceptable exit needs {needed_ns / 1e6:.1f} ms, "
            f"{max(0, left_ns) / 1e6:.1f} ms are left"
        )
