"""A window of samples: the prior speaks until they come, old ones fade, quantiles are samples."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.predictors.window import SampleWindow
from tests.core.round_figures import faded

PRIOR = (1.0, 2.0, 3.0, 4.0)
any_samples = settings(max_examples=100, deadline=None, derandomize=True, database=None)
values = st.lists(st.floats(0.1, 100), max_size=40)
SHUFFLED = (7, 2, 9, 4, 10, 1, 6, 3, 8, 5)


def window(*values, prior=PRIOR, **fields):
    made = SampleWindow(prior, **fields)
    for number, value in enumerate(values):
        made.add(number, value)
    return made


# --- the prior --------------------------------------------------------------------------------


def test_without_samples_the_prior_speaks():
    assert not window().known(0)
    assert window().mean(0) == 2.0  # its median, the lower one
    assert window().quantile(0, 0.0) == 1.0
    assert window().quantile(0, 0.95) == 4.0


def test_the_first_sample_is_the_mean():
    assert window(10.0).known(0)
    assert window(10.0).mean(0) == 10.0


@any_samples
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0.5, 0.6)), min_size=1, max_size=60))
def test_the_mean_is_that_of_the_samples_that_are_left(steps):
    """Too near to each other to make a step; they leave by number and by age."""
    made, left, now_ns = SampleWindow(PRIOR, size=8, horizon_ns=100), [], 0
    for pause_ns, value in steps:
        now_ns += pause_ns
        made.add(now_ns, value)
        left.append((now_ns, value))
    left = [value for at_ns, value in left if now_ns - at_ns <= 100][-8:]
    assert made.mean(now_ns) == pytest.approx(faded(*left))


def test_a_sample_of_nothing_does_no_harm():
    assert 0.0 <= window(0.0, 0.0).mean(2) < 1e-6
    assert window(0.0, 5.0).quantile(2, 1.0) >= 5.0


def test_the_priors_samples_leave_one_by_one():
    """One lucky sample does not make a quantile confident."""
    upper = [window(*[0.5] * count).quantile(count, 0.95) for count in range(6)]
    assert upper == [4.0, 4.0, 4.0, 4.0, 0.5, 0.5]


def test_the_prior_comes_back_when_the_samples_have_faded():
    made = window(10.0, horizon_ns=100)
    assert made.known(100)
    assert not made.known(101)
    assert made.mean(101) == 2.0
    assert made.quantile(101, 0.95) == 4.0


# --- samples ----------------------------------------------------------------------------------


def test_only_the_last_samples_count():
    assert window(*range(10), size=4).mean(9) == pytest.approx(faded(6, 7, 8, 9))


def test_older_samples_fade_by_age():
    made = SampleWindow(PRIOR, horizon_ns=100)
    for at, value in ((0, 10.0), (50, 20.0), (90, 30.0)):
        made.add(at, value)
    assert made.mean(100) == pytest.approx(faded(10, 20, 30))
    assert made.mean(101) == pytest.approx(faded(20, 30))
    assert made.mean(151) == 30.0


def test_a_new_sample_is_heard_at_once():
    made = window(1.0)
    assert made.mean(0) == 1.0
    made.add(1, 3.0)
    assert made.mean(1) == pytest.approx(faded(1, 3))


@pytest.mark.parametrize(("q", "value"), [(0.0, 1), (0.25, 3), (0.5, 5), (0.95, 10), (0.99, 10)])
def test_quantiles_are_samples(q, value):
    """For 1 .. 10: the least value that a share q of them does not exceed."""
    assert window(*SHUFFLED).quantile(10, q) == value


@pytest.mark.parametrize(("q", "value"), [(0.5, 5), (0.1, 1), (0.9, 9)])
def test_the_nearest_rank(q, value):
    assert window(*SHUFFLED).quantile(10, q) == value


# --- steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [10.0, 2.0, 0.5, 0.1])
def test_three_samples_make_a_step_and_the_earlier_ones_follow_with_their_spread(factor):
    quiet = (1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0)
    made = window(*quiet, *(factor * value for value in (1.0, 1.0, 1.0)))
    assert made.mean(20) == pytest.approx(factor, rel=0.01)
    assert made.quantile(20, 1.0) == pytest.approx(1.1 * factor)
    assert made.quantile(20, 0.0) == pytest.approx(0.9 * factor)


WIDE = (1.0, 2.0, 0.5, 1.8, 0.6, 1.0, 2.0, 0.5, 1.0, 2.0, 0.5)


def test_three_from_the_wider_half_of_a_wide_spread_are_no_step():
    assert window(*WIDE, 2.0, 1.9, 2.0).quantile(20, 1.0) == 2.0
    assert window(*WIDE, 0.5, 0.6, 0.5).quantile(20, 0.0) == 0.5


def test_but_three_beyond_it_are():
    assert window(*WIDE, 4.0, 4.1, 4.0).quantile(20, 0.0) == 2.0


def test_it_is_warmed_up_when_samples_have_replaced_the_prior():
    assert not window(1.0, 1.0, 1.0).warmed_up(3)
    assert window(1.0, 1.0, 1.0, 1.0).warmed_up(4)
    assert not window(1.0, 1.0, 1.0, 1.0, horizon_ns=100).warmed_up(104)


@pytest.mark.parametrize("outliers", [(9.0,), (9.0, 9.0), (9.0, 1.0, 9.0), (0.1, 9.0, 9.0)])
def test_fewer_or_scattered_ones_are_accidents(outliers):
    made = window(*[1.0] * 8, *outliers)
    assert made.quantile(20, 0.5) == 1.0


def test_small_changes_are_no_step():
    assert window(*[1.0] * 8, 1.2, 1.2, 1.2).quantile(20, 0.5) == 1.0


def test_a_step_that_is_forgotten_is_reverted():
    made = window(*[1.0] * 8, 10.0, 10.0, 10.0)
    made.forget_after(11, 7)
    assert made.mean(20) == pytest.approx(1.0)


def test_what_is_zero_or_below_makes_no_step():
    assert window(*[1.0] * 8, 0.0, 0.0, -1.0).quantile(20, 1.0) == 1.0
    assert window(*[0.0] * 8, 1.0, 1.0, 1.0).quantile(20, 0.0) == 0.0


LEVEL = st.floats(1.0, 1.2)
"""Values so close to each other that no sequence of them is a step."""


@any_samples
@given(st.lists(LEVEL, max_size=40), st.floats(0, 0.999))
def test_a_quantile_is_one_of_the_samples_or_of_the_prior(samples, q):
    assert window(*samples).quantile(len(samples), q) in {*samples, *PRIOR}


@any_samples
@given(values, st.floats(0, 0.999), st.floats(0, 0.999))
def test_quantiles_rise(samples, one, other):
    made = window(*samples)
    low, high = sorted((one, other))
    assert made.quantile(40, low) <= made.quantile(40, high)


@any_samples
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 300), st.floats(0.1, 100)),
        min_size=1,
        max_size=40,
    )
)
def test_a_read_changes_nothing_for_whatever_moment_it_asks(steps):
    queried, quiet = SampleWindow(PRIOR, 8, 200), SampleWindow(PRIOR, 8, 200)
    now = 0
    for delay, ahead, value in steps:
        now += delay
        for moment in (now + ahead, now):
            queried.mean(moment)
            queried.mean_up_to(moment, 0.9)
            queried.quantile(moment, 0.5)
            queried.known(moment)
            queried.oldest_ns(moment)
        queried.add(now, value)
        quiet.add(now, value)
        assert queried.mean(now) == quiet.mean(now)
        assert queried.mean_up_to(now, 0.9) == quiet.mean_up_to(now, 0.9)
        assert queried.quantile(now, 0.95) == quiet.quantile(now, 0.95)
    later = now + 150
    assert queried.mean(later) == quiet.mean(later)
    assert queried.oldest_ns(later) == quiet.oldest_ns(later)
