"""A level that keeps its promise: 95% of the forecasts hold, whatever the samples do."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.predictors.conformal import HALF_LIFE_NS, LOWEST, AdaptiveLevel
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.scores import Forecast

TARGET = 0.95
FORECASTS = 1500
PRIOR = (1.0, 1.0, 1.1, 1.3)


def foretold(samples):
    """Each sample with the upper quantile that was forecast before it came."""
    window, level = SampleWindow(PRIOR), AdaptiveLevel(TARGET)
    for number, sample in enumerate(samples):
        upper = level.upper(window, number)
        yield sample, upper
        level.record(number, sample <= upper)
        window.add(number, sample)


def coverage(samples):
    held = [sample <= upper for sample, upper in foretold(samples)]
    return sum(held) / len(held)


def noise(seed, spread):
    draw = random.Random(seed)
    return [math.exp(draw.gauss(0.0, spread)) for _ in range(FORECASTS)]


def wandering(seed):
    draw, level = random.Random(seed), 0.0
    for _ in range(FORECASTS):
        level = 0.95 * level + draw.gauss(0.0, 0.1)
        yield math.exp(level)


any_seed = st.integers(0, 2**32)
quick = settings(max_examples=15, deadline=None, derandomize=True, database=None)


# --- long-run coverage ------------------------------------------------------------------------


@quick
@given(any_seed, st.floats(0.02, 0.6))
def test_on_stationary_noise(seed, spread):
    assert 0.92 <= coverage(noise(seed, spread)) <= 0.98


@quick
@given(any_seed, st.floats(0.02, 0.3), st.integers(15, 200), st.floats(1.5, 10.0))
def test_under_steps_up_and_down(seed, spread, every, factor):
    steps = [
        sample * (factor if number // every % 2 else 1.0)
        for number, sample in enumerate(noise(seed, spread))
    ]
    assert 0.92 <= coverage(steps) <= 0.98


@quick
@given(any_seed)
def test_on_a_level_that_wanders(seed):
    assert 0.92 <= coverage(wandering(seed)) <= 0.98


@quick
@given(any_seed, st.integers(100, 700))
def test_when_the_spread_itself_changes(seed, every):
    calm, wild = noise(seed, 0.03), noise(seed + 1, 0.4)
    mixed = [(wild if n // every % 2 else calm)[n] for n in range(FORECASTS)]
    assert 0.92 <= coverage(mixed) <= 0.98


# --- width ------------------------------------------------------------------------------------


def test_misses_widen_and_success_narrows_again():
    level, window = AdaptiveLevel(TARGET), SampleWindow(())
    for number in range(32):
        window.add(number, 1.0 + number / 32)
    first = level.upper(window, 32)
    for _ in range(5):
        level.record(0, held=False)
    widened = level.upper(window, 32)
    for _ in range(400):
        level.record(0, held=True)
    assert widened > max(first, 1.0 + 31 / 32)
    assert level.upper(window, 32) < first


def test_it_starts_as_the_plain_quantile():
    level = AdaptiveLevel(TARGET)
    assert (level.level(0), level.stretch(0)) == (TARGET, 1.0)


def test_it_never_goes_below_the_median_however_long_forecasts_hold():
    level = AdaptiveLevel(TARGET)
    for _ in range(10_000):
        level.record(0, held=True)
    assert level.level(0) == LOWEST


def test_nor_beyond_half_as_much_again_as_the_largest_sample():
    level = AdaptiveLevel(TARGET)
    for _ in range(10_000):
        level.record(0, held=False)
    assert (level.level(0), level.stretch(0)) == (1.0, pytest.approx(1.5))


def test_after_a_long_quiet_it_still_widens_within_tens_of_misses():
    level = AdaptiveLevel(TARGET)
    for _ in range(10_000):
        level.record(0, held=True)
    for _ in range(30):
        level.record(0, held=False)
    assert level.level(0) == 1.0


def test_the_width_on_noise_is_no_more_than_it_has_to_be():
    """95% of exp(gauss(0, 0.1)) lie below 1.18: the forecasts are on average within a tenth."""
    uppers = [upper for _, upper in foretold(noise(1, 0.1))][200:]
    assert sum(uppers) / len(uppers) == pytest.approx(math.exp(1.645 * 0.1), rel=0.1)


# --- a level that hears of nothing --------------------------------------------------------------


def widened():
    level = AdaptiveLevel(TARGET)
    for _ in range(10_000):
        level.record(0, held=False)
    return level


def test_it_keeps_its_width_while_it_is_scored_often_enough():
    level = widened()
    for second in range(1, 20):
        now_ns = second * HALF_LIFE_NS // 4
        before = level.stretch(now_ns)
        level.record(now_ns, held=False)
        assert level.stretch(now_ns) == before == pytest.approx(1.5)


def test_without_scores_it_goes_back_to_its_target_by_half_and_half():
    level = widened()
    assert level.stretch(HALF_LIFE_NS - 1) == pytest.approx(1.5)
    for halvings in range(1, 6):
        level_then = TARGET + (1.0 + 0.5 / 8.0 - TARGET) * 0.5**halvings
        assert level.level(halvings * HALF_LIFE_NS) == pytest.approx(min(1.0, level_then))
    assert level.level(10**20) == pytest.approx(TARGET)


def test_a_narrowed_one_too():
    level = AdaptiveLevel(TARGET)
    for _ in range(10_000):
        level.record(0, held=True)
    assert level.level(HALF_LIFE_NS) == pytest.approx((LOWEST + TARGET) / 2)


def test_asking_changes_nothing():
    """A log holds no questions, and has to replay."""
    queried, silent = widened(), widened()
    for now_ns in range(0, 10 * HALF_LIFE_NS, HALF_LIFE_NS // 3):
        queried.level(now_ns)
    for level in (queried, silent):
        level.record(10 * HALF_LIFE_NS, held=False)
    now_ns = 11 * HALF_LIFE_NS
    assert queried.level(now_ns) == silent.level(now_ns)


# --- forecasts whose truth is not known to the end --------------------------------------------

EXPECTED = Forecast(100, 120)


def test_an_overdue_forecast_is_a_miss():
    narrow = AdaptiveLevel(0.8)
    narrow.record_unfinished(0, EXPECTED, 120)
    missed = AdaptiveLevel(0.8)
    missed.record(0, held=False)
    assert narrow.level(0) == missed.level(0) > 0.8


@pytest.mark.parametrize(("elapsed", "share"), [(0, 0.05), (60, 0.05), (100, 0.10), (119, 0.84)])
def test_a_censored_forecast_counts_by_the_probability_of_a_miss(elapsed, share):
    """0.05 of all exceed 120, half of all 100: of those that exceed 100, a tenth."""
    level, step = AdaptiveLevel(0.95), AdaptiveLevel(0.95)
    level.record_unfinished(0, EXPECTED, elapsed)
    step.record(0, held=True)
    unit = (0.95 - step.level(0)) / 0.05
    assert (level.level(0) - 0.95) / unit + 0.05 == pytest.approx(share, abs=0.01)


def test_with_the_slow_ones_broken_off_coverage_is_still_what_it_should_be():
    """A time limit at the median of what is late: without the share only quick ones count."""
    window, level, held = SampleWindow(PRIOR), AdaptiveLevel(TARGET), []
    for number, sample in enumerate(noise(3, 0.3)):
        mean, upper = window.mean(number), level.upper(window, number)
        held.append(sample <= upper)
        if sample <= 1.3:
            level.record(number, held[-1])
            window.add(number, sample)
        else:
            level.record_unfinished(number, Forecast(mean, upper), 1.3)
            window.add(number, max(1.3, mean))
    assert sum(held[300:]) / len(held[300:]) > 0.85
