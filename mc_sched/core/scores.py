"""Scores: what was forecast against what then happened, one by one and as running figures."""

from __future__ import annotations

from collections import deque
from enum import Enum

from mc_sched.core.histogram import LATENCY_BOUNDS_NS, Histogram
from mc_sched.core.quantiles import nearest_rank
from mc_sched.core.value import value

SHORTEST_NS = 50_000
"""Nothing is resolved finer than this; it keeps a relative error of next to nothing finite."""
REMEMBERED = 1000
"""Scores per predictor that the running figures are made of."""


class Predictor(str, Enum):
    """Whose forecast it was, and of what."""

    LOCAL = "local"
    """A local inference, from its start to its answer."""
    EDGE_TOTAL = "edge_total"
    """From the decision for the edge to the answer, waiting included."""
    RESIDUAL_OPS = "residual_ops"
    """What is left of a local inference that is half done, by the paper's operation ratio."""
    RESIDUAL_CALIBRATED = "residual_calibrated"
    """The same by profiled layer times."""
    ENCODE = "encode"
    """Making one payload."""
    TRANSFER_UP = "transfer_up"
    """A payload's way to the cloud, behind earlier ones, and the word's way back that it came."""
    TRANSFER_DOWN = "transfer_down"
    """A reply's way back."""
    CLOUD_TOTAL = "cloud_total"
    """From the decision for the cloud to the answer of the exit that gave it."""
    QUEUE = "queue"
    """The wait for the cloud's executor, of a task that found others before it."""
    STAGE = "stage"
    """One stage on the cloud's executor."""


@value
class Forecast:
    """A predicted time: its mean and its upper quantile."""

    mean_ns: int
    upper_ns: int


NOTHING = Forecast(0, 0)
"""Of what nobody forecast."""


@value
class Score:
    """A forecast and what then happened."""

    predictor: Predictor
    mean_ns: int
    upper_ns: int
    actual_ns: int
    unfinished: bool = False
    """What was forecast was broken off by then: it would have taken longer."""

    @property
    def held(self) -> bool:
        """Whether the upper quantile was not exceeded."""
        return self.actual_ns <= self.upper_ns and not self.unfinished

    @property
    def error(self) -> float:
        """How far the mean was off, as a share of what happened."""
        actual_ns = max(SHORTEST_NS, self.actual_ns)
        return abs(actual_ns - self.mean_ns) / actual_ns

    @property
    def under(self) -> float:
        """How far the mean was below what happened, as a share of it; 0 if it was above."""
        actual_ns = max(SHORTEST_NS, self.actual_ns)
        return max(0.0, (actual_ns - self.mean_ns) / actual_ns)

    def sentence(self) -> str:
        """The score in plain words, for a task's story."""
        mean_ms, upper_ms, actual_ms = (
            ns / 1e6 for ns in (self.mean_ns, self.upper_ns, self.actual_ns)
        )
        happened = "had not ended after" if self.unfinished else "took"
        return (
            f"{self.predictor.value} {happened} {actual_ms:.2f} ms, "
            f"expected were {mean_ms:.2f} and at most {upper_ms:.2f}"
        )


def format_story_line(what: str | Score) -> str:
    """A line of a task's story: what happened, or how it had been foreseen."""
    return what if isinstance(what, str) else what.sentence()


@value
class Reliability:
    """How good a predictor's forecasts were, over its last scores. All shares are in [0, 1]."""

    n: int
    coverage: float
    """How often the upper quantile held."""
    mape: float
    """Mean absolute percentage error of the mean, as a share of what happened."""
    p95_under: float
    """95% of the means fell short of what happened by at most this share of it."""


def reliability(scores: list[Score]) -> Reliability:
    """The figures of some scores; ValueError if there are none."""
    if not scores:
        raise ValueError("no scores, no reliability")
    return Reliability(
        n=len(scores),
        coverage=sum(score.held for score in scores) / len(scores),
        mape=sum(score.error for score in scores) / len(scores),
        p95_under=nearest_rank(sorted(score.under for score in scores), 0.95),
    )


class _Page:
    """One predictor's last scores, and how long what it foretells really took."""

    def __init__(self) -> None:
        self.scores: deque[Score] = deque(maxlen=REMEMBERED)
        self.took = Histogram(LATENCY_BOUNDS_NS)


class ScoreBook:
    """The last scores of each predictor."""

    def __init__(self) -> None:
        self._pages: dict[Predictor, _Page] = {}

    def add(self, score: Score) -> None:
        """Enter a score."""
        page = self._pages.get(score.predictor)
        if page is None:
            page = self._pages[score.predictor] = _Page()
        if not score.unfinished:
            page.took.add(score.actual_ns)
        page.scores.append(score)

    def took(self) -> dict[str, Histogram]:
        """What each predictor foretells: how long it really took, since the start."""
        return {predictor.value: page.took.copy() for predictor, page in self._pages.items()}

    def reliability(self) -> dict[str, Reliability]:
        """The figures of every predictor that has a score, by its name."""
        return {
            predictor.value: reliability(list(self._pages[predictor].scores))
            for predictor in Predictor
            if predictor in self._pages
        }
