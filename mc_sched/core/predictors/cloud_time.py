"""Times of the cloud's stages and heads: the profile, corrected by what is measured.

Both ends use it. The cloud measures each stage; the edge measures from `accepted` to the reply,
two moments on its own clock between which the link's delay cancels out.
"""

from __future__ import annotations

from mc_sched.core.actions import RunHead, RunStage
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.tables import CloudTable, Codec, Exit

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Measured over profiled time before anything ran."""


def _paths(table: CloudTable, codec: Codec) -> tuple[tuple[Exit, int], ...]:
    return tuple(
        (exit_, codec.decode_ns + table.path_ns(exit_, codec.stage))
        for exit_ in table.acceptable(codec.name, 0.0)
    )


class CloudTimePredictor:
    """Forecasts for the path to an exit."""

    def __init__(self, table: CloudTable, quantile: float) -> None:
        self.table = table
        self._quantile = quantile
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR, size=64, horizon_ns=30 * 10**9)
        self.whole_path_ns = {codec.name: _paths(table, codec) for codec in table.codecs}
        """Per codec, profiled time from its payload to each exit that it can reach, in order."""

    def record(self, now_ns: int, profiled_ns: int, took_ns: int) -> None:
        """Something that the profile puts at `profiled_ns` took `took_ns`."""
        if profiled_ns > 0:
            self._slowdown.add(now_ns, took_ns / profiled_ns)

    def slowdown(self, now_ns: int) -> float:
        """Mean of measured over profiled time."""
        return self._slowdown.mean_up_to(now_ns, self._quantile)

    def slowdown_upper(self, now_ns: int) -> float:
        """Upper quantile of measured over profiled time."""
        return self._slowdown.quantile(now_ns, self._quantile)

    def mean_ns(self, now_ns: int, exit_: Exit, from_stage: int = 0) -> int:
        """Mean time of the stages from `from_stage` to the exit, its head included."""
        return int(self.table.path_ns(exit_, from_stage) * self.slowdown(now_ns))

    def piece_ns(self, now_ns: int, piece: RunStage | RunHead) -> int:
        """Mean time of one stage or one head."""
        if isinstance(piece, RunStage):
            profiled_ns = self.table.stage_ns[piece.stage]
        else:
            profiled_ns = self.table.exit_named(piece.exit).head_ns
        return int(profiled_ns * self.slowdown(now_ns))

    def upper_ns(self, now_ns: int, exit_: Exit, from_stage: int = 0) -> int:
        """Upper quantile of that time."""
        return int(self.table.path_ns(exit_, from_stage) * self.slowdown_upper(now_ns))
