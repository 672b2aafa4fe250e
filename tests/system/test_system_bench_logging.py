"""`mc-sched bench logging`, small: every figure is there and in its bounds."""

import json

import pytest
from deployment import mc_sched

pytestmark = pytest.mark.system


def test_it_measures_cost_losses_and_answers_in_one_run():
    options = ("--rounds", 5, "--lines", 5000, "--output", "json")
    ran = mc_sched("bench", "logging", *options, patience_s=110)
    assert ran.code == 0, ran.err
    (line,) = ran.out.splitlines()
    report = json.loads(line)
    assert report["dropped"] == 0
    assert sum(report["outcomes"].values()) == 2000
    assert 0.2 < report["p50_ratio"] < 5  # five rounds on a busy machine tell no more
    assert report["lines"] == 5000
    assert 0 < report["query_ms"] <= report["slowest_query_ms"]
    assert report["first_page_ms"] > 0
    assert "5,000 of 5,000 lines stored" in ran.err
