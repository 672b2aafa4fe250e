"""The mobile time predictor: its three messages are always current.

Availability (a sensor), the predicted time of the local net, and the residual time of the
running one. Tang et al. 2020, section "Mobile time predictor".
"""

from __future__ import annotations

from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.tables import LocalTable

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Measured over profiled time before anything ran: the profile was taken on a quiet machine."""
RUNS, HORIZON_NS = 12, 10 * 10**9
"""What is looked back on: a second of frames at 12 FPS shows that contention came or went, and a
slow run that kept others from being tried here is forgotten after ten."""


class LocalTimePredictor:
    """Forecasts for one device that runs one local inference at a time."""

    def __init__(self, table: LocalTable, quantile: float) -> None:
        self._table = table
        self._quantile = quantile
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR, size=RUNS, horizon_ns=HORIZON_NS)
        self._ops_total = sum(table.layer_ops)
        self._started_ns: int | None = None
        self._layers_done = 0
        self._layer_done_ns = 0
        self._aborting = False
        self.busy_by_others: float | None = None
        """Share of the device that other programs use, in [0, 1]; None: no sensor has spoken."""

    @property
    def running(self) -> bool:
        """Whether a local inference is on the device now."""
        return self._started_ns is not None

    def started(self, now_ns: int) -> None:
        """A local inference begins."""
        self._started_ns = now_ns
        self._aborting = False
        self._layers_done = 0
        self._layer_done_ns = now_ns

    def layer_done(self, now_ns: int, layer: int) -> None:
        """Layer `layer` (from 0) of the running inference is done."""
        self._layers_done = layer + 1
        self._layer_done_ns = now_ns

    def aborted(self) -> None:
        """The running inference has been told to stop at its next layer."""
        self._aborting = True

    def ended(self, now_ns: int, whole: bool) -> None:
        """The running inference ended; `whole` says that it ran to its last layer."""
        if whole and self._started_ns is not None:
            took = now_ns - self._started_ns
            self._slowdown.add(now_ns, took / self._table.total_ns)
        self._started_ns = None

    def mean_ns(self, now_ns: int) -> int:
        """Mean predicted time of a whole inference."""
        return int(self._table.total_ns * self._slowdown.mean_up_to(now_ns, self._quantile))

    def upper_ns(self, now_ns: int) -> int:
        """Upper quantile of the predicted time of a whole inference."""
        return int(self._table.total_ns * self._slowdown.quantile(now_ns, self._quantile))

    def residual_ops_ns(self, now_ns: int) -> int:
        """The paper's residual: T_cp = (operations left / operations done) * T so far."""
        if self._started_ns is None:
            return 0
        done = sum(self._table.layer_ops[: self._layers_done])
        if done == 0:
            return max(0, self.mean_ns(now_ns) - (now_ns - self._started_ns))
        so_far = self._layer_done_ns - self._started_ns
        left = int((self._ops_total - done) / done * so_far)
        return max(0, left - (now_ns - self._layer_done_ns))

    def residual_ns(self, now_ns: int) -> int:
        """The calibrated residual: layers left weigh by their profiled time, not their operations.

        The slowdown of this very run counts once half of its profiled time is behind it; before
        that the recent tasks' slowdown is the better witness.
        """
        if self._started_ns is None:
            return 0
        done = sum(self._table.layer_ns[: self._layers_done])
        left = self._table.total_ns - done
        if self._aborting:
            left = sum(self._table.layer_ns[self._layers_done : self._layers_done + 1])
        slowdown = self._slowdown.mean_up_to(now_ns, self._quantile)
        if done * 2 > self._table.total_ns:
            slowdown = (self._layer_done_ns - self._started_ns) / done
        return max(0, int(left * slowdown) - (now_ns - self._layer_done_ns))
