"""Forecast errors from two logs, by predictor and disturbance, and their report."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.bench.disturbances import wandering_trace
from mc_sched.bench.forecast_errors import (
    HEADINGS,
    REPORTED,
    Span,
    best_constant,
    figures,
    only_scores,
    read_scores,
    report,
    rows,
)
from mc_sched.core.actions import RecordScore, StartLocal
from mc_sched.core.scores import Predictor, Score
from mc_sched.link.mahimahi import parse_trace
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.report.score_figure import draw_scores

SPANS = [Span("undisturbed", 100, 200), Span("hog", 300, 350), Span("disturbed", 300, 400)]
KEYS = {"mape", "constant_mape", "p95_under", "coverage95", "n"}


def score(predictor=Predictor.LOCAL, mean=10_000_000, upper=12_000_000, actual=8_000_000):
    return Score(predictor, mean, upper, actual)


def log_of(*moments):
    """Return records of these (nanoseconds, score), each of its own task."""
    log, records = EventLog(None, "edge"), []
    log.subscribe(records.append)
    for task, (at_ns, found) in enumerate(moments):
        log.write(at_ns, "action", RecordScore(f"t{task}", found))
        log.write(at_ns, "action", StartLocal(f"t{task}"))
    return records


@pytest.fixture
def scores():
    """Two undisturbed forecasts, one of them a miss; a disturbed one; two outside of all spans."""
    missed = score(actual=20_000_000)
    moments = [
        (99, score()),
        (100, score()),
        (199, missed),
        (250, score()),
        (399, score()),
        (310, score()),
    ]
    return read_scores(log_of(*moments), SPANS)


def test_a_score_counts_for_the_span_that_it_falls_into(scores):
    counts = {name: len(found) for name, found in scores[Predictor.LOCAL].items() if found}
    assert counts == {"undisturbed": 2, "hog": 1, "disturbed": 2}


def test_the_report_has_every_predictor_under_every_condition(scores):
    found = report(scores)
    assert list(found) == ["predictors"]
    assert set(found["predictors"]) == {
        "local", "residual_ops", "residual_calibrated", "stage", "transfer_up", "transfer_down",
        "cloud_total",
    }  # fmt: skip
    for by_condition in found["predictors"].values():
        assert set(by_condition) == {
            "undisturbed", "disturbed", "hog", "link_steps", "trace", "busy_cloud"
        }  # fmt: skip
        assert all(set(figures) == KEYS for figures in by_condition.values())


def test_its_figures_are_shares(scores):
    local = report(scores)["predictors"]["local"]
    assert local["undisturbed"] == {
        "mape": (0.25 + 0.5) / 2, "constant_mape": (0.0 + 0.6) / 2, "p95_under": 0.5,
        "coverage95": 0.5, "n": 2,
    }  # fmt: skip
    assert local["disturbed"] == {
        "mape": 0.25, "constant_mape": 0.0, "p95_under": 0.0, "coverage95": 1.0, "n": 2,
    }  # fmt: skip
    assert local["hog"]["n"] == 1


def test_each_stage_of_a_task_has_a_constant_of_its_own():
    """Two stages of 8 and 20 ms, twice each: constants fit them, though the forecasts did not."""
    stages = [score(Predictor.STAGE, actual=ns) for ns in (8_000_000, 20_000_000)]
    log, records = EventLog(None, "cloud"), []
    log.subscribe(records.append)
    for task in ("one", "other"):
        for found in stages:
            log.write(100, "action", RecordScore(task, found))
    shown = figures(read_scores(records, SPANS)[Predictor.STAGE]["undisturbed"])
    assert (shown["n"], shown["constant_mape"]) == (4, 0.0)
    assert shown["mape"] == (0.25 + 0.5) / 2


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(1, 1000))
def test_no_other_constant_has_a_smaller_mean_error(actual, other):
    def error(constant):
        return sum(abs(one - constant) / one for one in actual)

    assert error(best_constant(actual)) <= error(other) + 1e-9


def test_what_was_never_forecast_is_all_zero(scores):
    assert report(scores)["predictors"]["stage"]["disturbed"]["n"] == 0


def test_people_see_what_has_scores(scores):
    heading, lines = HEADINGS, rows(scores)
    assert len(heading) == 7
    assert [line[:2] for line in lines] == [
        ("local", "undisturbed"), ("local", "disturbed"), ("local", "hog")
    ]  # fmt: skip
    assert lines[0][2:] == ("37.5%", "30.0%", "50.0%", "50.0%", "2")


def test_a_figure_has_a_panel_for_each_predictor_with_scores(scores, tmp_path):
    draw_scores(only_scores(scores), tmp_path / "scores.svg")
    text = (tmp_path / "scores.svg").read_text()
    for label in ("undisturbed", "hog", "exact", "local"):
        assert label in text
    assert "transfer_up" not in text


def test_no_scores_draw_no_panels(tmp_path):
    draw_scores(only_scores(read_scores([], SPANS)), tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()


def test_a_generated_trace_wanders_about_its_rate_and_is_the_same_for_a_seed():
    text = wandering_trace("1-up", 30, 6.0)
    assert text == wandering_trace("1-up", 30, 6.0) != wandering_trace("2-up", 30, 6.0)
    trace = parse_trace(text, "generated")
    assert 2e6 < trace.rate.mean_bps < 18e6
    times = [int(line) for line in text.split()]
    each_second = [len(list(group)) for _, group in itertools.groupby(times, lambda t: t // 1000)]
    assert max(each_second) > 2 * min(each_second[:-1])


def test_the_reported_ones_are_predictors():
    assert set(REPORTED) < set(Predictor)
