"""Scores: forecasts against actual times, and a predictor's running figures."""

import pytest

from mc_sched.core.scores import REMEMBERED, Predictor, Reliability, Score, ScoreBook, reliability


def score(mean, upper, actual, predictor=Predictor.LOCAL):
    """A score in milliseconds."""
    return Score(predictor, *(round(ms * 1e6) for ms in (mean, upper, actual)))


@pytest.mark.parametrize(
    ("mean", "actual", "error", "under"),
    [(10, 10, 0.0, 0.0), (5, 10, 0.5, 0.5), (20, 10, 1.0, 0.0), (10, 8, 0.25, 0.0)],
)
def test_errors_are_relative_to_the_actual_time(mean, actual, error, under):
    found = score(mean, 30, actual)
    assert (found.error, found.under) == (error, under)


def test_a_time_equal_to_the_quantile_is_held():
    assert score(10, 12, 12).held
    assert not score(10, 12, 12.001).held


def test_the_error_of_a_very_short_time_is_bounded():
    assert score(1, 1, 0).error == pytest.approx(19.0)


def test_reliability_of_some_scores():
    scores = [score(10, 11, 10)] * 90 + [score(10, 11, 20)] * 10
    assert reliability(scores) == Reliability(
        n=100, coverage=0.9, mape=pytest.approx(0.05), p95_under=0.5
    )


def test_reliability_needs_a_score():
    with pytest.raises(ValueError, match="at least one score"):
        reliability([])


def test_a_book_keeps_each_predictor_apart_and_shows_those_with_a_score():
    book = ScoreBook()
    book.add(score(10, 11, 10))
    book.add(score(10, 11, 12, Predictor.STAGE))
    found = book.reliability()
    assert list(found) == ["local", "stage"]
    assert (found["local"].coverage, found["stage"].coverage) == (1.0, 0.0)


def test_old_scores_are_forgotten():
    book = ScoreBook()
    for _ in range(REMEMBERED):
        book.add(score(10, 11, 20))
    for _ in range(REMEMBERED):
        book.add(score(10, 11, 10))
    assert book.reliability()["local"] == Reliability(REMEMBERED, 1.0, 0.0, 0.0)
