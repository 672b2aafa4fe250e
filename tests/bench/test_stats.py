"""Medians and quantiles."""

import random

import pytest

from mc_sched.bench.stats import median, quantile, ratio


def nearest_rank(samples, q):
    """Return the smallest sample with at least a share q of the samples at or below it."""
    ordered = sorted(samples)
    return next(x for i, x in enumerate(ordered, 1) if i >= q * len(ordered) - 1e-9)


@pytest.mark.parametrize("count", [1, 3, 9, 33, 101])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_quantiles_are_nearest_rank_whatever_the_order(count, q):
    samples = random.Random(count).sample(range(1000), count)
    before = samples.copy()
    assert quantile(samples, q) == nearest_rank(samples, q)
    assert samples == before


@pytest.mark.parametrize(("count", "q"), [(2, 0.5), (100, 0.99), (1000, 0.99)])
def test_quantiles_are_nearest_rank_if_the_rank_is_whole(count, q):
    samples = list(range(count))
    assert quantile(samples, q) == nearest_rank(samples, q)


@pytest.mark.parametrize("count", [10, 50, 100, 1000])
def test_a_whole_rank_is_exact_although_its_share_is_no_binary_fraction(count):
    """0.07 * 100 is 7.000000000000001, and 1 - 0.95 a little more than 0.05."""
    samples = list(range(1, count + 1))
    for rank in samples:
        assert quantile(samples, rank / count) == rank
        assert quantile(samples, 1 - (count - rank) / count) == rank


def test_the_ends():
    assert quantile([3, 1, 2], 0.0) == 1
    assert quantile([3, 1, 2], 1.0) == 3


def test_a_median_is_a_sample_and_one_outlier_does_not_move_it():
    assert median([5.0, 1.0, 3.0]) == 3.0
    assert median([5.0, 1.0, 1e9]) == 5.0


def test_a_ratio_is_of_medians():
    assert ratio([2.0, 3.0, 100.0], [2.0, 1.0, 4.0]) == pytest.approx(1.5)


def test_no_samples_have_no_median():
    with pytest.raises(IndexError):
        median([])
