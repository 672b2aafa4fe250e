"""Random values depend only on the seed and on time or the task, with the right distribution."""

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.quantiles import nearest_rank
from mc_sched.sim.noise import Noise, lognormal, measured
from mc_sched.sim.random_table import SIZE
from mc_sched.sim.step_function import (
    LOOP_NS,
    Phase,
    StepFunction,
    random_slowdown,
    scripted_slowdown,
)
from mc_sched.sim.truth import Truth

S = 10**9


# --- step functions -----------------------------------------------------------------------------


def test_scripted_phases_hold_while_they_last():
    slowdown = scripted_slowdown((Phase(10, 5, 2.0), Phase(20, 5, 3.0)))
    assert [slowdown.at(t) for t in (0, 9, 10, 14, 15, 20, 24, 25, 10**12)] == [
        1, 1, 2, 2, 1, 3, 3, 1, 1,
    ]  # fmt: skip


def test_phases_that_overlap_both_count():
    slowdown = scripted_slowdown((Phase(0, 10, 2.0), Phase(5, 10, 3.0)))
    assert [slowdown.at(t) for t in (0, 5, 9, 10, 15)] == [2, 6, 6, 3, 1]


def test_a_period_makes_them_loop():
    slowdown = StepFunction((0, 10), (1.0, 2.0), period_ns=20)
    assert [slowdown.at(t) for t in (0, 10, 19, 20, 30)] == [1, 2, 2, 1, 2]


def test_drawn_phases_take_their_share_of_the_time():
    slowdown = random_slowdown(9 * S, 1 * S, 2.0, "seed")
    slow = fmean(slowdown.at(t) == 2.0 for t in range(0, LOOP_NS, S // 4))
    assert slow == pytest.approx(0.1, abs=0.03)
    assert (
        slowdown
        == random_slowdown(9 * S, 1 * S, 2.0, "seed")
        != random_slowdown(9 * S, 1 * S, 2.0, "other")
    )


# --- noise --------------------------------------------------------------------------------------


def test_no_noise_is_the_profile():
    assert Noise().factor(7, 3) == 1.0


def test_the_median_is_the_profile_and_the_deviation_is_the_wanted_one():
    factors = sorted(lognormal(0.2, "seed").factors)
    assert nearest_rank(factors, 0.5) == pytest.approx(1.0, abs=0.02)
    assert nearest_rank(factors, 0.8413) == pytest.approx(2.718281828**0.2, rel=0.03)


def test_measured_quantiles_come_back():
    factors = sorted(measured({0.5: 1.0, 0.95: 1.2, 0.99: 2.0}, "seed").factors)
    for q, value in ((0.3, 1.0), (0.95, 1.2), (0.999, 2.0)):
        assert nearest_rank(factors, q) == pytest.approx(value, rel=0.05)


def test_a_piece_goes_through_all_factors_before_one_comes_again():
    noise = lognormal(0.2, "seed")
    assert sorted(noise.factor(task, 5) for task in range(SIZE)) == sorted(noise.factors)


@settings(deadline=None)
@given(task=st.integers(0, 10**7), piece=st.integers(-2, 300))
def test_a_factor_depends_on_the_task_and_the_piece_alone(task, piece):
    assert lognormal(0.1, "s").factor(task, piece) == lognormal(0.1, "s").factor(task, piece)


# --- truth --------------------------------------------------------------------------------------

ACCURACIES = (0.6, 0.77, 0.83, 0.91, 0.94)
EVERY = range(SIZE)


def test_each_net_is_right_as_often_as_in_its_table():
    truth = Truth("seed")
    for net, accuracy in enumerate(ACCURACIES):
        right = fmean(truth.is_right(image, net, accuracy) for image in EVERY)
        assert right == pytest.approx(accuracy, abs=0.01)


def test_a_deeper_exit_is_mostly_right_if_a_shallower_one_is():
    truth = Truth("seed")
    both = [
        truth.is_right(image, 4, 0.94) for image in EVERY if truth.is_right(image, 1, 0.77)
    ]  # fmt: skip
    assert 0.985 < fmean(both) < 1.0


def test_nets_of_one_accuracy_differ_a_little():
    truth = Truth("seed")
    same = fmean(truth.is_right(i, 1, 0.8) == truth.is_right(i, 2, 0.8) for i in EVERY)
    assert 0.85 < same < 0.97


def test_confidence_is_calibrated():
    truth = Truth("seed")
    answers_by_confidence = {}
    for image in EVERY:
        sure = sum(p for _, p in truth.answer(image, 1, 0.77).top)
        answers_by_confidence.setdefault(int(sure * 10), []).append(
            (sure, truth.is_right(image, 1, 0.77))
        )
    for answers in answers_by_confidence.values():
        if len(answers) > 500:
            sure, right = fmean(s for s, _ in answers), fmean(r for _, r in answers)
            assert right == pytest.approx(sure, abs=0.05)
    assert len(answers_by_confidence) > 5


def test_the_extremes_are_always_and_never_right():
    truth = Truth("seed")
    assert all(truth.is_right(image, 0, 1.0) for image in range(100))
    assert not any(truth.is_right(image, 0, 0.0) for image in range(100))


def test_an_answer_is_five_labels_the_likeliest_first():
    top = Truth("seed").answer(0, 0, 0.8).top
    probabilities = [probability for _, probability in top]
    assert len(top) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 <= sum(probabilities) <= 1
