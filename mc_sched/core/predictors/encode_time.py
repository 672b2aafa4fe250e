"""Forecast of the time to encode a payload: the profile, corrected by measurements.

A worker encodes one payload at a time, beside the local net.
"""

from __future__ import annotations

from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.tables import LocalTable

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Prior ratio of measured to profiled time, used before any payload was encoded."""


class EncodeTimePredictor:
    """Forecasts by codec; a payload that is ready at submission takes no time."""

    def __init__(self, table: LocalTable, quantile: float) -> None:
        self._profiled_ns = table.encode_ns
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR)
        self._level = AdaptiveLevel(quantile)

    def set_quantile(self, quantile: float) -> None:
        """Use another upper quantile from now on."""
        self._level.set_quantile(quantile)

    def needs_time(self, codec: str) -> bool:
        """Return True if a payload of this codec has to be encoded before it is sent."""
        return codec in self._profiled_ns

    def forecast(self, now_ns: int, codec: str) -> Forecast:
        """Forecast for a payload whose encoding starts now."""
        return Forecast(self.mean_ns(now_ns, codec), self.upper_ns(now_ns, codec))

    @property
    def measured_ns(self) -> int:
        """Moment of the last measurement; 0 if there is none."""
        return self._slowdown.newest_ns

    def ended(
        self, now_ns: int, codec: str, took_ns: int, expected: Forecast, is_trial: bool = False
    ) -> tuple[Score, ...]:
        """Learn from an encoding that took `took_ns`; return the score of its forecast.

        A trial that agrees with the profile makes the predictor forget earlier measurements.
        """
        profiled_ns = self._profiled_ns.get(codec, 0)
        if profiled_ns <= 0:
            return ()
        score = Score(Predictor.ENCODE, expected.mean_ns, expected.upper_ns, took_ns)
        self._level.record(now_ns, score.held)
        ratio = took_ns / profiled_ns
        if is_trial and self._slowdown.is_refuted_by(now_ns, ratio):
            self._slowdown.forget()
            self._level.forget()
        self._slowdown.add(now_ns, ratio)
        return (score,)

    def mean_ns(self, now_ns: int, codec: str) -> int:
        """Mean time to encode a payload."""
        profiled_ns = self._profiled_ns.get(codec, 0)
        return int(profiled_ns * self._slowdown.mean(now_ns)) if profiled_ns else 0

    def upper_ns(self, now_ns: int, codec: str, level: AdaptiveLevel | None = None) -> int:
        """Upper quantile of the time to encode a payload.

        `level` is that of the sum that the time is part of; None for the predictor's own.
        """
        profiled_ns = self._profiled_ns.get(codec, 0)
        if not profiled_ns:
            return 0
        return int(profiled_ns * (level or self._level).upper(self._slowdown, now_ns))
