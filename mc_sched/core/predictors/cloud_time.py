"""Times of the cloud's stages and heads: the profile, corrected by measurements.

Both nodes use it. The cloud measures each stage. The profile was measured stage by stage, and a
stage may take a little longer or shorter between other stages. So each stage has a lasting
correction, from its share of a task's time. The slowdown is common to all stages and follows the
moment, for example other load. The edge learns from the time between acceptance and reply. Times of
batches stand in `batch_time.py`.
"""

from __future__ import annotations

from itertools import accumulate
from math import inf

from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.tables import CloudTable, Codec, Exit

SLOWDOWN_PRIOR = (1.0, 1.0, 1.1, 1.3)
"""Prior ratio of measured to profiled time, used before any stage ran."""
CORRECTION_WEIGHT = 0.05
"""Weight of the last task in a stage's correction; about the last twenty tasks count."""
LARGEST_CORRECTION = 1.25
"""Largest factor between a stage's known time and the sample of one task."""
LARGEST_DRIFT = 1.5
"""Largest factor between a stage's corrected and profiled time. A burst that always hits the same
stage must not make it look impossible."""
JUST_NS = 250_000_000
"""Time for which a stage of a single task tells the slowdown better than a batch."""
FADES_AFTER_NS, HALF_LIFE_NS = 10**9, 10**9
"""Silence after which a slowdown that is reported to others returns to the prior, and the time in
which it loses half of its distance, as a ratio. At one task per second it is reported unchanged."""


def _paths(table: CloudTable, codec: Codec) -> tuple[tuple[Exit, int], ...]:
    return tuple(
        (exit_, codec.decode_ns + table.path_ns(exit_, codec.stage))
        for exit_ in table.acceptable(codec.name, 0.0)
    )


class CloudTimePredictor:
    """Forecasts of the time to an exit."""

    def __init__(self, table: CloudTable, quantile: float) -> None:
        self.table = table
        self._quantile = quantile
        self._slowdown = SampleWindow(SLOWDOWN_PRIOR, size=64, horizon_ns=30 * 10**9)
        self._level = AdaptiveLevel(quantile)
        self._alone_measured_ns = -JUST_NS
        """Moment when a stage was last measured for a single task."""
        self._stage_ns: list[float] = [float(ns) for ns in table.stage_ns]
        """Profiled times, corrected."""
        self._until_ns = [0.0, *accumulate(self._stage_ns)]
        """Sums of the stages' times: `_until_ns[n]` is that of the first n stages."""
        self.exit_paths_ns = {codec.name: _paths(table, codec) for codec in table.payload_formats}
        """Codec -> the exits that it reaches, in order, with the profiled time to each."""

    def set_quantile(self, quantile: float) -> None:
        """Use another upper quantile from now on."""
        self._quantile = quantile
        self._level.set_quantile(quantile)

    @property
    def measured_ns(self) -> int:
        """Moment of the last measurement; 0 if there is none."""
        return self._slowdown.newest_ns

    def tried(self, now_ns: int, profiled_ns: int, took_ns: int) -> None:
        """Forget all measurements if the time of a trial agrees with the profile instead.

        Call this before the time is recorded.
        """
        if profiled_ns > 0 and self._slowdown.is_refuted_by(now_ns, took_ns / profiled_ns):
            self._slowdown.forget()
            self._level.forget()
            self._stage_ns = [float(ns) for ns in self.table.stage_ns]
            self._until_ns = [0.0, *accumulate(self._stage_ns)]

    def record(self, now_ns: int, profiled_ns: float, took_ns: int) -> None:
        """Take a measured time and the profiled time of the same work."""
        if profiled_ns > 0:
            self._slowdown.add(now_ns, took_ns / profiled_ns)

    def record_stage(
        self, now_ns: int, known_ns: float, took_ns: int, expected: Forecast, alone: bool = True
    ) -> Score:
        """Learn from a stage that took `took_ns`; return the score of its forecast.

        `known_ns` is its corrected time without the slowdown. `alone`: it ran for a single task.
        A batch says nothing about the slowdown if a single task has just been measured: it may be
        the batch's own time that is not known well.
        """
        score = Score(Predictor.STAGE, expected.mean_ns, expected.upper_ns, took_ns)
        self._level.record(now_ns, score.held)
        if alone:
            self._alone_measured_ns = now_ns
        if alone or not self.measured_alone(now_ns):
            self.record(now_ns, known_ns, took_ns)
        return score

    def measured_alone(self, now_ns: int) -> bool:
        """Return True if a stage of a single task has just been measured."""
        return now_ns - self._alone_measured_ns <= JUST_NS

    def record_task(self, took_ns: dict[int, int]) -> None:
        """Correct the stages of a task by their shares of its time, which no slowdown changes.

        `took_ns` holds the stages that ran for this task alone.
        """
        all_ns, known_ns = 0, 0.0
        for stage, ns in took_ns.items():
            all_ns += ns
            known_ns += self._stage_ns[stage]
        if len(took_ns) < 2 or all_ns <= 0:
            return
        for stage, ns in took_ns.items():
            self._correct(stage, ns * known_ns / all_ns)
        self._until_ns = [0.0, *accumulate(self._stage_ns)]

    def _correct(self, stage: int, share_ns: float) -> None:
        known_ns = self._stage_ns[stage]
        # an outlier says nothing about the stage
        share_ns = min(max(share_ns, known_ns / LARGEST_CORRECTION), known_ns * LARGEST_CORRECTION)
        corrected_ns = known_ns + CORRECTION_WEIGHT * (share_ns - known_ns)
        profiled_ns = self.table.stage_ns[stage]
        self._stage_ns[stage] = min(
            max(corrected_ns, profiled_ns / LARGEST_DRIFT), profiled_ns * LARGEST_DRIFT
        )

    def alone_ns(self, stage: int) -> float:
        """Corrected time of a stage for a single task, without the slowdown."""
        return self._stage_ns[stage]

    def forecast(self, now_ns: int, known_ns: float) -> Forecast:
        """Forecast for a stage that starts now; `known_ns` is its time without the slowdown."""
        upper_ns = known_ns * self._level.upper(self._slowdown, now_ns)
        return Forecast(int(known_ns * self.slowdown(now_ns)), int(upper_ns))

    def measured(self, now_ns: int) -> bool:
        """Return True if the slowdown rests on a measured time."""
        return self._slowdown.known(now_ns)

    def slowdown(self, now_ns: int) -> float:
        """Mean ratio of measured to profiled time."""
        return self._slowdown.mean_up_to(now_ns, self._quantile)

    def faded_slowdown(self, now_ns: int) -> float:
        """Mean ratio of measured to profiled time for others, who may bring work if it is small.

        Without work nothing is measured, so it returns to the prior by half per HALF_LIFE_NS.
        """
        return self.fade(now_ns, self.slowdown(now_ns), SLOWDOWN_PRIOR[0])

    def faded_upper(self, now_ns: int, level: AdaptiveLevel | None = None) -> float:
        """Upper quantile of that ratio, which returns to the prior's largest sample."""
        return self.fade(now_ns, self.slowdown_upper(now_ns, level), SLOWDOWN_PRIOR[-1])

    def fade(self, now_ns: int, ratio: float, prior: float) -> float:
        """Move a ratio toward its prior by the time since the last measurement."""
        silent_ns = now_ns - self._slowdown.newest_ns - FADES_AFTER_NS
        if silent_ns <= 0 or ratio <= prior:
            return ratio
        return float(prior * (ratio / prior) ** (0.5 ** (silent_ns / HALF_LIFE_NS)))

    def slowdown_upper(self, now_ns: int, level: AdaptiveLevel | None = None) -> float:
        """Upper quantile of the ratio of measured to profiled time."""
        return (level or self._level).upper(self._slowdown, now_ns)

    def mean_ns(self, now_ns: int, exit_: Exit, from_stage: int = 0) -> int:
        """Mean time of the stages from `from_stage` to the exit, its head included."""
        return int(self._path_ns(exit_, from_stage) * self.slowdown(now_ns))

    def nearest_ns(self, now_ns: int, exits: tuple[Exit, ...], from_stage: int) -> int:
        """Mean time to the soonest of these exits, its head included."""
        soonest_ns = inf
        for exit_ in exits:
            soonest_ns = min(soonest_ns, self._path_ns(exit_, from_stage))
        return int(soonest_ns * self.slowdown(now_ns))

    def shortest_ns(self, now_ns: int, codec: str, accuracy: float) -> int:
        """Mean time to the soonest exit that reaches `accuracy`; 0 if none does."""
        paths = self.exit_paths_ns.get(codec, ())
        fit = [ns for exit_, ns in paths if exit_.accuracy[codec] >= accuracy]
        return int(min(fit) * self.faded_slowdown(now_ns)) if fit else 0

    def upper_ns(self, now_ns: int, exit_: Exit, from_stage: int = 0) -> int:
        """Upper quantile of the time from stage `from_stage` to the exit, its head included."""
        return int(self._path_ns(exit_, from_stage) * self.slowdown_upper(now_ns))

    def _path_ns(self, exit_: Exit, from_stage: int) -> float:
        """Corrected time of the stages from `from_stage` to the exit, its head included."""
        return self._until_ns[exit_.stage + 1] - self._until_ns[from_stage] + exit_.head_ns
