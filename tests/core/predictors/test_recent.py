"""The largest value and the rate of the last one to two periods."""

import pytest

from mc_sched.core.predictors.recent import PERIOD_NS, Recent


@pytest.fixture
def recent():
    return Recent()


def test_the_largest_value_counts_for_one_to_two_periods(recent):
    recent.raise_to(0, 5)
    recent.raise_to(PERIOD_NS, 3)
    assert recent.largest(PERIOD_NS) == 5
    assert recent.largest(2 * PERIOD_NS) == 3
    assert recent.largest(3 * PERIOD_NS) == 0


def test_a_smaller_value_changes_nothing_within_a_period(recent):
    recent.raise_to(0, 5)
    recent.raise_to(1, 3)
    assert recent.largest(2) == 5


def test_the_rate_counts_events_over_both_periods(recent):
    for number in range(10):
        recent.count(PERIOD_NS // 2 + number)
    assert recent.per_ns(PERIOD_NS + PERIOD_NS // 2) == pytest.approx(10 / (1.5 * PERIOD_NS))
    assert recent.per_ns(3 * PERIOD_NS) == 0.0


def test_reading_changes_nothing(recent):
    recent.raise_to(0, 5)
    recent.largest(10 * PERIOD_NS)
    assert recent.largest(1) == 5
