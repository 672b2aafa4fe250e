"""The mobile time predictor of Tang et al. 2020, section "Mobile time predictor".

It forecasts the time of a local inference and the residual time of the running one, and keeps the
device's availability as a sensor reports it.
"""

from __future__ import annotations

from itertools import accumulate

from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import NOTHING, Forecast, Predictor, Score
from mc_sched.core.tables import LocalTable
from mc_sched.core.value import value

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Prior ratio of measured to profiled time; the profile was measured on a quiet machine."""
RUNS, HORIZON_NS = 32, 10 * 10**9
"""Runs remembered, and for how long. 32 are enough for a 95% quantile. After ten seconds a slow run
is forgotten, so that the device is tried again."""
ERROR_WEIGHT = 0.1
"""Weight of the last run in each residual form's mean error; about the last ten runs count."""


@value
class _Halfway:
    """Both forecasts of the remaining time, made after half of the profiled time."""

    now_ns: int
    by_ops: Forecast
    calibrated: Forecast


class LocalTimePredictor:
    """Forecasts for one device that runs one local inference at a time."""

    def __init__(self, table: LocalTable, quantile: float) -> None:
        self._table = table
        self._quantile = quantile
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR, size=RUNS, horizon_ns=HORIZON_NS)
        self._level = AdaptiveLevel(quantile)
        self._ops_level, self._calibrated_level = AdaptiveLevel(quantile), AdaptiveLevel(quantile)
        self._ops_error = self._calibrated_error = 0.0
        self._done_ops, self._done_ns = _sums(table.layer_ops), _sums(table.layer_ns)
        """`_done_ops[n]` is the operations of the first n layers, `_done_ns[n]` their time."""
        self._total_ns = table.total_ns
        self._started_ns: int | None = None
        self._cloud_net_ns = 0
        """Profiled time of the running inference if it is of the cloud net, else 0. The cloud net
        reports nothing between its start and its end."""
        self._expected = NOTHING
        self._half_way: _Halfway | None = None
        self._layers_done = 0
        self._layer_done_ns = 0
        self._aborting = False
        self.busy_by_others: float | None = None
        """Share of the device that other programs use, in [0, 1]; None without a sensor."""

    def set_quantile(self, quantile: float) -> None:
        """Use another upper quantile from now on."""
        self._quantile = quantile
        for level in (self._level, self._ops_level, self._calibrated_level):
            level.set_quantile(quantile)

    # --- progress of a run ------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True while a local inference runs on the device."""
        return self._started_ns is not None

    def started(self, now_ns: int, cloud_net_ns: int = 0) -> None:
        """Begin a local inference.

        `cloud_net_ns` is the profiled time on this device if the cloud net runs; 0 for the local
        net.
        """
        self._started_ns, self._cloud_net_ns = now_ns, cloud_net_ns
        mean_ns, upper_ns = (
            self.mean_ns(now_ns, cloud_net_ns),
            self.upper_ns(now_ns, None, cloud_net_ns),
        )
        self._expected = Forecast(mean_ns, upper_ns)
        self._half_way = None
        self._aborting = False
        self._layers_done = 0
        self._layer_done_ns = now_ns

    def began(self, now_ns: int) -> None:
        """Take the actual start that the executor reports for the inference that was started."""
        self._started_ns = self._layer_done_ns = now_ns

    def layer_done(self, now_ns: int, layer: int) -> None:
        """Note that layer `layer` (from 0) of the running inference is done."""
        self._layers_done = layer + 1
        self._layer_done_ns = now_ns
        done_ns = self._done_ns[layer + 1]
        if self._half_way is None and done_ns * 2 >= self._total_ns > done_ns:
            self._half_way = _Halfway(
                now_ns,
                self._with_upper(now_ns, self.residual_ops_ns(now_ns), self._ops_level),
                self._with_upper(
                    now_ns, self.residual_calibrated_ns(now_ns), self._calibrated_level
                ),
            )

    def aborted(self) -> None:
        """Note that the running inference stops behind its next layer."""
        self._aborting = True

    @property
    def measured_ns(self) -> int:
        """Moment of the last measurement of a whole run; 0 if there is none."""
        return self._slowdown.newest_ns

    def ended(self, now_ns: int, completed: bool, is_trial: bool = False) -> tuple[Score, ...]:
        """Learn from the end of the run; a run that is `completed` also scores its forecasts.

        A trial that agrees with the profile makes the predictor forget earlier measurements.
        """
        scores: tuple[Score, ...] = ()
        if completed and self._started_ns is not None:
            took_ns = now_ns - self._started_ns
            run = _score(Predictor.LOCAL, self._expected, took_ns)
            self._level.record(now_ns, run.held)
            ratio = took_ns / (self._cloud_net_ns or self._total_ns)
            if is_trial and self._slowdown.is_refuted_by(now_ns, ratio):
                self._slowdown.forget()
                self._level.forget()
            self._slowdown.add(now_ns, ratio)
            scores = (run, *self._residual_scores(now_ns))
        self._started_ns = None
        return scores

    def _residual_scores(self, now_ns: int) -> tuple[Score, ...]:
        half_way = self._half_way
        if half_way is None:
            return ()
        left_ns = now_ns - half_way.now_ns
        by_ops = _score(Predictor.RESIDUAL_OPS, half_way.by_ops, left_ns)
        calibrated = _score(Predictor.RESIDUAL_CALIBRATED, half_way.calibrated, left_ns)
        self._ops_level.record(now_ns, by_ops.held)
        self._calibrated_level.record(now_ns, calibrated.held)
        self._ops_error += ERROR_WEIGHT * (by_ops.error - self._ops_error)
        self._calibrated_error += ERROR_WEIGHT * (calibrated.error - self._calibrated_error)
        return by_ops, calibrated

    # --- forecasts --------------------------------------------------------------------------

    def mean_ns(self, now_ns: int, cloud_net_ns: int = 0) -> int:
        """Mean time of a local inference; of the cloud net if `cloud_net_ns` is its profile."""
        profiled_ns = cloud_net_ns or self._total_ns
        return int(profiled_ns * self._slowdown.mean_up_to(now_ns, self._quantile))

    def upper_ns(
        self, now_ns: int, level: AdaptiveLevel | None = None, cloud_net_ns: int = 0
    ) -> int:
        """Upper quantile of the time of a local inference.

        `level` is that of the sum that the time is part of; None for the predictor's own.
        """
        profiled_ns = cloud_net_ns or self._total_ns
        return int(profiled_ns * (level or self._level).upper(self._slowdown, now_ns))

    def residual_ns(self, now_ns: int) -> int:
        """Time left of the running inference, by the form with the smaller recent error.

        The calibrated form is used until the paper's form has proved better.
        """
        if self._cloud_net_ns or (self._ops_error < self._calibrated_error and not self._aborting):
            return self.residual_ops_ns(now_ns)
        return self.residual_calibrated_ns(now_ns)

    def residual_ops_ns(self, now_ns: int) -> int:
        """Residual by the paper: T_cp = (operations left / operations done) * time so far."""
        if self._started_ns is None:
            return 0
        done = self._done_ops[self._layers_done]
        if done == 0:
            return max(0, self.mean_ns(now_ns, self._cloud_net_ns) - (now_ns - self._started_ns))
        so_far = self._layer_done_ns - self._started_ns
        left = int((self._done_ops[-1] - done) / done * so_far)
        return max(0, left - (now_ns - self._layer_done_ns))

    def residual_calibrated_ns(self, now_ns: int) -> int:
        """Calibrated residual: profiled time of the layers left, times the slowdown.

        The slowdown is that of recent runs during the first half of the profiled time, and that of
        this run afterwards, when it rests on enough layers.
        """
        if self._started_ns is None:
            return 0
        done = self._done_ns[self._layers_done]
        left = self._total_ns - done
        if self._aborting:
            left = sum(self._table.layer_ns[self._layers_done : self._layers_done + 1])
        slowdown = self._slowdown.mean_up_to(now_ns, self._quantile)
        if done * 2 > self._total_ns:
            slowdown = (self._layer_done_ns - self._started_ns) / done
        return max(0, int(left * slowdown) - (now_ns - self._layer_done_ns))

    def _with_upper(self, now_ns: int, mean_ns: int, level: AdaptiveLevel) -> Forecast:
        """Add an upper quantile to a mean, in the proportion that complete runs have."""
        factor = level.upper(self._slowdown, now_ns) / self._slowdown.mean(now_ns)
        return Forecast(mean_ns, int(mean_ns * factor))


def _score(predictor: Predictor, expected: Forecast, actual_ns: int) -> Score:
    return Score(predictor, expected.mean_ns, expected.upper_ns, actual_ns)


def _sums(parts: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *accumulate(parts))
