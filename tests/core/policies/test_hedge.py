"""What a take-back costs that goes on listening."""

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
def test_it_is_the_mean_over_the_moments_at_which_the_word_may_come(at_ms):
    """Against the same by a sum over 100,000 equally likely words."""
    words = NormalDist(20, 10 / DEVIATIONS)
    count = 100_000
    done = 0.0
    for number in range(count):
        word_ms = words.inv_cdf((number + 0.5) / count)
        if word_ms > at_ms:
            done += min(word_ms + 10 - at_ms, RUN_MS)
    share = run_share(ns(at_ms), ns(RUN_MS), OPTION)
    assert share == pytest.approx(done / count / RUN_MS, abs=1e-4)


def test_what_is_certain_to_come_first_costs_nothing_and_what_never_comes_all():
    assert run_share(ns(200), ns(RUN_MS), OPTION) == pytest.approx(0.0, abs=1e-9)
    assert run_share(-ns(200), ns(RUN_MS), OPTION) == pytest.approx(1.0)


def test_a_run_that_is_shorter_than_the_answer_s_way_is_done_or_not_begun():
    unheard = 1 - NormalDist(20, 10 / DEVIATIONS).cdf(25)
    assert run_share(ns(25), ns(10), OPTION) == pytest.approx(unheard)
    assert math.isfinite(run_share(0, 0, OPTION))
