"""The expected cost of a hedge."""

import math
from statistics import NormalDist

import pytest

from mc_sched.core.policies.hedge import run_share
from mc_sched.core.policy import CloudForecast
from mc_sched.core.quantiles import DEVIATIONS
from tests.core.round_figures import ns

OPTION = CloudForecast(0.9, ns(30), ns(40), 0.1, exit="far", codec="jpeg", accepted_ns=ns(20))
RUN_MS = 20


@pytest.mark.parametrize("at_ms", [5, 15, 20, 25, 40])
def test_it_is_the_mean_over_the_moments_at_which_the_acceptance_may_come(at_ms):
    """Compare it with the mean over 100,000 equally likely moments."""
    acceptances = NormalDist(20, 10 / DEVIATIONS)
    count = 100_000
    done = 0.0
    for number in range(count):
        accepted_ms = acceptances.inv_cdf((number + 0.5) / count)
        if accepted_ms > at_ms:
            done += min(accepted_ms + 10 - at_ms, RUN_MS)
    share = run_share(ns(at_ms), ns(RUN_MS), OPTION)
    assert share == pytest.approx(done / count / RUN_MS, abs=1e-4)


def test_an_answer_that_surely_comes_first_costs_nothing_and_a_late_one_a_whole_run():
    assert run_share(ns(200), ns(RUN_MS), OPTION) == pytest.approx(0.0, abs=1e-9)
    assert run_share(-ns(200), ns(RUN_MS), OPTION) == pytest.approx(1.0)


def test_a_run_that_is_shorter_than_the_time_to_the_answer_is_complete_or_not_started():
    unaccepted = 1 - NormalDist(20, 10 / DEVIATIONS).cdf(25)
    assert run_share(ns(25), ns(10), OPTION) == pytest.approx(unaccepted)
    assert math.isfinite(run_share(0, 0, OPTION))
