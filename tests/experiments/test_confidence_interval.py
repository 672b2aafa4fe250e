"""Means and their confidence intervals."""

import math
from statistics import NormalDist

import pytest

from mc_sched.experiments.confidence_interval import half_width, mean, student_t95


def test_the_interval_of_a_single_value_is_infinite():
    assert half_width([3.0]) == math.inf


def test_the_interval_of_equal_values_is_empty():
    assert half_width([3.0, 3.0, 3.0]) == 0.0
    assert mean([1.0, 2.0, 6.0]) == 3.0


def test_three_values_by_hand():
    # standard deviation 1, so 4.303 / sqrt(3)
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(2.484, abs=1e-3)


def test_eleven_values_by_hand():
    # standard deviation sqrt(11), so 2.228 with ten degrees of freedom
    assert half_width(list(range(11))) == pytest.approx(2.228, abs=1e-3)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.706), (2, 4.303), (5, 2.571), (9, 2.262), (10, 2.228), (11, 2.201), (12, 2.179),
        (15, 2.131), (20, 2.086), (25, 2.060), (30, 2.042), (40, 2.021), (60, 2.000),
        (120, 1.980), (10**6, 1.960),
    ],
)  # fmt: skip
def test_the_quantiles_are_those_of_the_published_tables(freedom, quantile):
    assert student_t95(freedom) == pytest.approx(quantile, abs=6e-4)


def test_the_quantiles_fall_toward_the_normal_one():
    quantiles = [student_t95(freedom) for freedom in range(1, 200)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-1] > NormalDist().inv_cdf(0.975)


def test_the_interval_of_many_values_is_the_normal_one():
    values = [NormalDist().inv_cdf((n + 0.5) / 400) for n in range(400)]
    assert half_width(values) == pytest.approx(1.96 / 20, rel=0.01)
