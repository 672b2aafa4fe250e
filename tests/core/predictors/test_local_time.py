"""The mobile time predictor: predicted time, residual time in both forms, the slowdown."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import StartLocal
from mc_sched.core.predictors.local_time import LocalTimePredictor
from tests.core.round_figures import LOCAL, MS, faded, ns
from tests.core.scripted_edge import deadline_timer


@pytest.fixture
def local():
    """A predictor that has seen four runs as profiled: layers of 5 ms and 10, 30, 40, 20 ops."""
    predictor = LocalTimePredictor(LOCAL, 0.95)
    for number in range(4):
        run(predictor, 100 * number - 1_000, 20)
    return predictor


def run(predictor, ms, took):
    """A complete run that takes `took` ms."""
    predictor.started(ns(ms))
    predictor.ended(ns(ms + took), completed=True)


def begun(predictor, *layers_ms):
    """A run from 0 whose layers end at these times."""
    predictor.started(0)
    for layer, ms in enumerate(layers_ms):
        predictor.layer_done(ns(ms), layer)
    return predictor


# --- the predicted time -----------------------------------------------------------------------


def test_before_anything_ran_every_quantile_is_above_the_profile():
    predictor = LocalTimePredictor(LOCAL, 0.95)
    assert predictor.mean_ns(0) == ns(20)
    assert predictor.upper_ns(0) == ns(20 * 1.3)


def test_then_it_is_the_profile_scaled_by_the_slowdown_that_was_seen(local):
    assert (local.mean_ns(0), local.upper_ns(0)) == (ns(20), ns(20))
    run(local, 0, 30)
    assert local.mean_ns(ns(30)) == pytest.approx(20e6 * faded(1, 1, 1, 1, 1.5), abs=1)
    assert local.upper_ns(ns(30)) == ns(30)


def test_a_run_that_was_cut_short_teaches_nothing(local):
    local.started(0)
    local.ended(ns(3), completed=False)
    assert (local.mean_ns(ns(3)), local.upper_ns(ns(3))) == (ns(20), ns(20))


def test_contention_shows_in_the_upper_quantile_within_two_tasks(local):
    for number in range(28):  # a full window of quiet runs
        run(local, 100 * number, 20)
    for number in (28, 29):
        run(local, 100 * number, 40)
    assert local.upper_ns(ns(3_000)) == ns(40)


@pytest.mark.parametrize(("before", "after"), [(20, 60), (60, 20)])
def test_contention_that_comes_or_goes_shows_in_the_mean_after_three_tasks(before, after):
    local = LocalTimePredictor(LOCAL, 0.95)
    for number in range(28):
        run(local, 100 * number, before)
    for number in (28, 29, 30):
        run(local, 100 * number, after)
    assert local.mean_ns(ns(3_100)) == local.upper_ns(ns(3_100)) == ns(after)


def test_ten_seconds_without_a_run_are_forgotten(local):
    run(local, 0, 40)
    assert local.upper_ns(ns(10_040)) == ns(40)
    assert local.upper_ns(ns(10_041)) == ns(20 * 1.3)


def test_the_end_of_contention_shows_within_a_dozen_tasks(local):
    for number in range(4):
        run(local, 100 * number, 40)
    for number in range(4, 16):
        run(local, 100 * number, 20)
    assert local.upper_ns(ns(1_600)) == ns(20)


def test_one_slow_run_does_not_shut_the_edge_for_long(make_edge):
    edge = make_edge(cloud=None)
    edge.submit(0, "a", 900)
    edge.local_done(200, "a")
    assert edge.submit(30_000, "b", 84) == [deadline_timer("b", 30_084), StartLocal("b")]


# --- the residual time ------------------------------------------------------------------------


def test_nothing_runs_nothing_is_left(local):
    assert not local.running
    assert (local.residual_ns(0), local.residual_ops_ns(0)) == (0, 0)


def test_before_the_first_layer_both_forms_take_the_prediction_less_the_time_so_far(local):
    begun(local)
    assert local.running
    for ms in (0, 3):
        assert local.residual_ns(ns(ms)) == ns(20 - ms)
        assert local.residual_ops_ns(ns(ms)) == ns(20 - ms)


@pytest.mark.parametrize(
    ("layers", "residual"), [((5,), 15), ((8,), 15), ((5, 10), 10), ((8, 16), 10)]
)
def test_the_calibrated_form_weighs_a_layer_by_its_profiled_time(local, layers, residual):
    begun(local, *layers)
    assert local.residual_calibrated_ns(ns(layers[-1])) == ns(residual)


def test_past_half_of_its_profiled_time_the_run_is_its_own_witness(local):
    begun(local, 10, 20, 30)
    assert local.residual_ns(ns(30)) == ns(5 * 2)


@pytest.mark.parametrize(
    ("layers", "residual"),
    [((5,), 90 / 10 * 5), ((5, 10), 60 / 40 * 10), ((5, 10, 15), 20 / 80 * 15)],
)
def test_the_papers_form_weighs_it_by_its_operations(local, layers, residual):
    """T_cp = (operations left / operations done) * time so far."""
    begun(local, *layers)
    assert local.residual_ops_ns(ns(layers[-1])) == ns(residual)


def complete_run(local, ms, *layers_ms):
    """A run at `ms` whose layers end so much later; what it scored."""
    local.started(ns(ms))
    for layer, after in enumerate(layers_ms):
        local.layer_done(ns(ms + after), layer)
    return local.ended(ns(ms + layers_ms[-1]), completed=True)


def test_the_default_is_the_calibrated_form(local):
    begun(local, 5, 10)
    assert local.residual_ns(ns(10)) == local.residual_calibrated_ns(ns(10)) == ns(10)


def test_until_the_papers_has_proved_better(local):
    """On a device whose layers take their operations' share: 10, 30, 40, 20 of 20 ms."""
    for number in range(3):
        complete_run(local, 100 * number, 2, 8, 16, 20)
    begun(local, 2, 8)
    assert local.residual_ns(ns(8)) == local.residual_ops_ns(ns(8)) == ns(12)


def test_and_back_when_it_no_longer_is(local):
    for number in range(3):
        complete_run(local, 100 * number, 2, 8, 16, 20)
    for number in range(3, 30):
        complete_run(local, 100 * number, 5, 10, 15, 20)
    begun(local, 5, 10)
    assert local.residual_ns(ns(10)) == ns(10)


def test_time_since_the_last_layer_is_taken_off(local):
    begun(local, 5, 10)
    assert local.residual_ns(ns(13)) == ns(10 - 3)
    assert local.residual_ops_ns(ns(13)) == ns(15 - 3)


def test_a_residual_is_never_negative(local):
    begun(local, 5, 10, 15)
    assert (local.residual_ns(ns(99)), local.residual_ops_ns(ns(99))) == (0, 0)


def test_after_the_last_layer_nothing_is_left(local):
    begun(local, 5, 10, 15, 20)
    assert (local.residual_ns(ns(20)), local.residual_ops_ns(ns(20))) == (0, 0)
    local.ended(ns(20), completed=True)
    assert not local.running


def test_the_next_run_starts_from_its_own_first_layer(local):
    begun(local, 5, 10)
    local.ended(ns(10), completed=False)
    local.started(ns(11))
    assert local.residual_ns(ns(11)) == ns(20)


# --- availability -----------------------------------------------------------------------------


def test_status_shows_prediction_residual_and_whether_the_edge_is_busy(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    shown = edge.machine.snapshot(1_000 * MS + ns(5))
    assert (shown.local_predicted_ns, shown.local_residual_ns) == (ns(20), ns(15))
    assert shown.local_busy


def test_the_sensors_load_changes_the_forecast(edge):
    edge.tell(0, ev.DeviceSampled, 0.0)
    free = edge.machine.snapshot(1_000 * MS)
    edge.tell(0, ev.DeviceSampled, 1.0)
    assert edge.machine.snapshot(1_000 * MS) != free
