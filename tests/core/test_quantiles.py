"""Quantiles by nearest rank, and that the predictors' upper quantile is never below their mean."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.link import LinkEstimator
from mc_sched.core.predictors.local_time import LocalTimePredictor
from mc_sched.core.quantiles import nearest_rank
from tests.core.round_figures import CLOUD, IMAGE_BYTES, LOCAL, ns

ten = list(range(1, 11))
hundred = list(range(1, 101))


@pytest.mark.parametrize(
    ("samples", "q", "value"),
    [
        (ten, 0.0, 1),
        (ten, 0.1, 1),
        (ten, 0.11, 2),
        (ten, 0.5, 5),
        (ten, 0.9, 9),
        (ten, 0.95, 10),
        (ten, 1.0, 10),
        (hundred, 0.07, 7),  # 0.07 * 100 is a little more than 7 in floats
        (hundred, 0.29, 29),  # and 0.29 * 100 a little less than 29
        (hundred, 0.95, 95),
        ([3], 0.5, 3),
    ],
)
def test_the_smallest_sample_that_the_share_does_not_exceed(samples, q, value):
    assert nearest_rank(samples, q) == value


def test_an_empty_sample_has_no_quantile():
    with pytest.raises(IndexError):
        nearest_rank([], 0.5)


# --- upper and mean ---------------------------------------------------------------------------
# Admission goes by the upper quantile, later checks by the mean: what is admitted has to pass them.

BELOW = "a quantile of the window can lie below its mean; the upper one has to be their maximum"
slowdowns = st.lists(st.sampled_from((1.0, 1.0, 1.0, 1.1, 10.0)), min_size=4, max_size=64)
quantiles = st.sampled_from((0.5, 0.9, 0.95, 0.99))
any_run = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@any_run
@given(slowdowns, quantiles)
def test_of_the_local_time(slowdowns, quantile):
    local = LocalTimePredictor(LOCAL, quantile)
    for number, slowdown in enumerate(slowdowns):
        local.started(number)
        local.ended(number + int(LOCAL.total_ns * slowdown), completed=True)
    now_ns = LOCAL.total_ns
    assert local.upper_ns(now_ns) >= local.mean_ns(now_ns)


@any_run
@given(slowdowns, quantiles)
def test_of_the_cloud_time(slowdowns, quantile):
    cloud = CloudTimePredictor(CLOUD, quantile)
    for number, slowdown in enumerate(slowdowns):
        cloud.record(number, ns(4), int(ns(4) * slowdown))
    for exit_ in CLOUD.exits:
        assert cloud.upper_ns(99, exit_) >= cloud.mean_ns(99, exit_)


@any_run
@given(slowdowns, quantiles)
def test_of_the_round_trip(slowdowns, quantile):
    link = LinkEstimator(quantile)
    for number, slowdown in enumerate(slowdowns):
        link.record_rtt(number, int(ns(10) * slowdown))
    assert link.rtt_upper_ns(99) >= link.rtt_mean_ns(99)


@any_run
@given(slowdowns, quantiles)
def test_of_the_upload(slowdowns, quantile):
    link = LinkEstimator(quantile)
    for number, slowdown in enumerate(slowdowns):
        link.record_upload(ns(600 * number), IMAGE_BYTES, int(ns(50) * slowdown))
    now_ns = ns(600 * len(slowdowns))
    assert link.up_upper_ns(now_ns, IMAGE_BYTES) >= link.up_mean_ns(now_ns, IMAGE_BYTES)
