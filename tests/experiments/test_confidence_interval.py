"""Means and their intervals."""

import math
from statistics import NormalDist

import pytest

from mc_sched.experiments.confidence_interval import half_width, mean


def test_a_single_value_may_be_off_by_anything():
    assert half_width([3.0]) == math.inf


def test_equal_values_have_no_spread():
    assert half_width([3.0, 3.0, 3.0]) == 0.0
    assert mean([1.0, 2.0, 6.0]) == 3.0


def test_three_values_by_hand():
    # deviation 1, so 4.303 / sqrt(3)
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(2.484, abs=1e-3)


def test_of_many_values_the_interval_holds_as_often_as_it_says():
    values = [NormalDist().inv_cdf((n + 0.5) / 400) for n in range(400)]
    assert half_width(values) == pytest.approx(1.96 / 20, rel=0.01)
