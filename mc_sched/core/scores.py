"""Scores of forecasts against actual times, singly and as running figures."""

from __future__ import annotations

from collections import deque
from enum import Enum

from mc_sched.core.histogram import LATENCY_BOUNDS_NS, Histogram
from mc_sched.core.quantiles import nearest_rank
from mc_sched.core.value import value

SHORTEST_NS = 50_000
"""Resolution of times; it keeps the relative error of a very short time finite."""
REMEMBERED = 1000
"""Scores per predictor from which the running figures are computed."""


class Predictor(str, Enum):
    """The predictors, each with the time that it forecasts."""

    LOCAL = "local"
    """A local run, from its start to its answer."""
    EDGE_TOTAL = "edge_total"
    """A task on the edge, from the decision to the answer, including the wait."""
    RESIDUAL_OPS = "residual_ops"
    """The rest of a local run that is half done, by the paper's operation ratio."""
    RESIDUAL_CALIBRATED = "residual_calibrated"
    """The rest of a local run that is half done, by profiled layer times."""
    ENCODE = "encode"
    """Making one payload."""
    TRANSFER_UP = "transfer_up"
    """An upload, from handing it to the radio (behind earlier ones) to the cloud's acceptance."""
    TRANSFER_DOWN = "transfer_down"
    """The transfer of a reply to the edge."""
    CLOUD_TOTAL = "cloud_total"
    """An offloaded task, from the decision to the answer of the exit that gave it."""
    QUEUE = "queue"
    """The wait for the cloud's executor, if it had other tasks."""
    STAGE = "stage"
    """One stage on the cloud's executor."""


TITLES = {
    Predictor.LOCAL: "the local run",
    Predictor.EDGE_TOTAL: "the task on the edge",
    Predictor.RESIDUAL_OPS: "the rest of the local run (by operations)",
    Predictor.RESIDUAL_CALIBRATED: "the rest of the local run (by layer times)",
    Predictor.ENCODE: "the encoding",
    Predictor.TRANSFER_UP: "the upload",
    Predictor.TRANSFER_DOWN: "the transfer of the reply",
    Predictor.CLOUD_TOTAL: "the offload",
    Predictor.QUEUE: "the wait for the cloud's executor",
    Predictor.STAGE: "the stage",
}
"""Names of the predicted times in sentences."""


@value
class Forecast:
    """A predicted time: its mean and its upper quantile."""

    mean_ns: int
    upper_ns: int


NOTHING = Forecast(0, 0)
"""A forecast that was not made."""


@value
class Score:
    """A forecast with the actual time."""

    predictor: Predictor
    mean_ns: int
    upper_ns: int
    actual_ns: int
    unfinished: bool = False
    """True if the run was aborted after `actual_ns` and would have taken longer."""

    @property
    def held(self) -> bool:
        """True if the upper quantile was not exceeded."""
        return self.actual_ns <= self.upper_ns and not self.unfinished

    @property
    def error(self) -> float:
        """Absolute error of the mean, relative to the actual time."""
        actual_ns = max(SHORTEST_NS, self.actual_ns)
        return abs(actual_ns - self.mean_ns) / actual_ns

    @property
    def under(self) -> float:
        """Shortfall of the mean below the actual time, relative to it; 0 if it was above."""
        actual_ns = max(SHORTEST_NS, self.actual_ns)
        return max(0.0, (actual_ns - self.mean_ns) / actual_ns)

    def sentence(self) -> str:
        """Return the score as a sentence for a task's story."""
        mean_ms, upper_ms, actual_ms = (
            ns / 1e6 for ns in (self.mean_ns, self.upper_ns, self.actual_ns)
        )
        happened = "had not ended after" if self.unfinished else "took"
        return (
            f"{TITLES[self.predictor]} {happened} {actual_ms:.2f} ms, "
            f"forecast {mean_ms:.2f} ms, at most {upper_ms:.2f} ms"
        )


def format_story_line(what: str | Score) -> str:
    """Format an event's name or a score as a line of a task's story."""
    return what if isinstance(what, str) else what.sentence()


@value
class Reliability:
    """Quality of a predictor's last forecasts. All shares are in [0, 1]."""

    n: int
    coverage: float
    """Share of forecasts whose upper quantile held."""
    mape: float
    """Mean absolute error of the mean, relative to the actual time."""
    p95_under: float
    """95% of the means fell short of the actual time by at most this share of it."""


def reliability(scores: list[Score]) -> Reliability:
    """Compute the reliability from scores; ValueError if there are none."""
    if not scores:
        raise ValueError("reliability needs at least one score")
    return Reliability(
        n=len(scores),
        coverage=sum(score.held for score in scores) / len(scores),
        mape=sum(score.error for score in scores) / len(scores),
        p95_under=nearest_rank(sorted(score.under for score in scores), 0.95),
    )


class _Page:
    """One predictor's last scores, and a histogram of its actual times."""

    def __init__(self) -> None:
        self.scores: deque[Score] = deque(maxlen=REMEMBERED)
        self.took = Histogram(LATENCY_BOUNDS_NS)


class ScoreBook:
    """The last scores of each predictor."""

    def __init__(self) -> None:
        self._pages: dict[Predictor, _Page] = {}

    def add(self, score: Score) -> None:
        """Add a score."""
        page = self._pages.get(score.predictor)
        if page is None:
            page = self._pages[score.predictor] = _Page()
        if not score.unfinished:
            page.took.add(score.actual_ns)
        page.scores.append(score)

    def took(self) -> dict[str, Histogram]:
        """Actual times since the start, by predictor."""
        return {predictor.value: page.took.copy() for predictor, page in self._pages.items()}

    def reliability(self) -> dict[str, Reliability]:
        """Reliability by the name of each predictor that has a score."""
        return {
            predictor.value: reliability(list(self._pages[predictor].scores))
            for predictor in Predictor
            if predictor in self._pages
        }
