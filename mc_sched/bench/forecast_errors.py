"""Errors of the forecasts, from the scores in the agents' logs.

Run times vary by themselves. `constant_mape` is the error that this variation alone causes: the
mean error of the best constant forecast, chosen in hindsight. A forecaster that follows the state
of the machine can be below it; one that still has to learn is a little above.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mc_sched.core.scores import SHORTEST_NS, Predictor, Score, reliability
from mc_sched.obs.log.event_log import Record, from_json

REPORTED = (
    Predictor.LOCAL, Predictor.RESIDUAL_OPS, Predictor.RESIDUAL_CALIBRATED, Predictor.STAGE,
    Predictor.TRANSFER_UP, Predictor.TRANSFER_DOWN, Predictor.CLOUD_TOTAL,
)  # fmt: skip
DISTURBANCES = {
    "hog": "a CPU hog starts and stops",
    "link_steps": "the link steps between kinds",
    "trace": "the link follows a trace",
    "busy_cloud": "another edge keeps the cloud busy",
}
CONDITIONS = ("undisturbed", "disturbed", *DISTURBANCES)
"""`disturbed` combines all disturbances."""


@dataclass(frozen=True)
class Span:
    """Part of the run under one condition, on the machine's monotonic clock."""

    condition: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Scored:
    """A score and the piece of its task's work that it is about."""

    score: Score
    piece: int
    """Index among the scores of one predictor and task; for stages, the stage."""


HEADINGS = ("predictor", "condition", "error", "constant's", "95% under", "coverage", "n")
"""Headings of `rows`."""
Scores = dict[Predictor, dict[str, list[Scored]]]
"""Predictor -> condition -> scores."""


def read_scores(records: Iterable[Record], spans: Iterable[Span]) -> Scores:
    """Return the scores within the spans, by predictor and condition."""
    spans = list(spans)
    seen: Counter[tuple[str, Predictor]] = Counter()
    found: Scores = {
        predictor: {condition: [] for condition in CONDITIONS} for predictor in Predictor
    }
    for record in records:
        if record["name"] != "RecordScore":
            continue
        action = from_json("RecordScore", record["data"])
        score, task = action.score, (action.task_id, action.score.predictor)
        for span in spans:
            if span.start_ns <= record["t_ns"] < span.end_ns:
                found[score.predictor][span.condition].append(Scored(score, seen[task]))
        seen[task] += 1
    return found


def only_scores(found: Scores) -> dict[Predictor, dict[str, list[Score]]]:
    """Return the scores without the index of their piece."""
    return {
        predictor: {
            condition: [scored.score for scored in entries] for condition, entries in by.items()
        }
        for predictor, by in found.items()
    }


def report(scores: Scores) -> dict[str, Any]:
    """Return the errors as a JSON object; shares are in [0, 1]."""
    return {
        "predictors": {
            predictor.value: {
                condition: figures(scores[predictor][condition]) for condition in CONDITIONS
            }
            for predictor in REPORTED
        }
    }


def figures(scored: Sequence[Scored]) -> dict[str, Any]:
    """Return the errors of some scores; without scores every figure is 0."""
    if not scored:
        return {"mape": 0.0, "constant_mape": 0.0, "p95_under": 0.0, "coverage95": 0.0, "n": 0}
    found = reliability([one.score for one in scored])
    return {
        "mape": found.mape,
        "constant_mape": constant_mape(scored),
        "p95_under": found.p95_under,
        "coverage95": found.coverage,
        "n": found.n,
    }


def constant_mape(scored: Iterable[Scored]) -> float:
    """Mean error of the best constant for each piece of work, as a share of the actual time."""
    by_piece: dict[int, list[int]] = defaultdict(list)
    for one in scored:
        by_piece[one.piece].append(max(SHORTEST_NS, one.score.actual_ns))
    errors = []
    for actual in by_piece.values():
        constant_ns = best_constant(actual)
        errors += [abs(one - constant_ns) / one for one in actual]
    return sum(errors) / len(errors)


def best_constant(actual: Iterable[int]) -> int:
    """Return the constant with the least mean absolute percentage error.

    It is the median weighted by 1 / actual, the beta-median for beta = -1 of Gneiting, "Making and
    Evaluating Point Forecasts", JASA 106 (494), 2011.
    """
    ordered = sorted(actual)
    half = sum(1 / one for one in ordered) / 2
    for one in ordered:
        half -= 1 / one
        if half <= 0:
            return one
    return ordered[-1]


def rows(scores: Scores) -> list[tuple[str, ...]]:
    """Return the errors as text: a row per predictor and condition that has scores."""
    table: list[tuple[str, ...]] = []
    for predictor, by_condition in scores.items():
        for condition, found in by_condition.items():
            if found:
                shown = figures(found)
                table.append((
                    predictor.value, condition.replace("_", " "), f"{shown['mape']:.1%}",
                    f"{shown['constant_mape']:.1%}", f"{shown['p95_under']:.1%}",
                    f"{shown['coverage95']:.1%}", f"{shown['n']}",
                ))  # fmt: skip
    return table
