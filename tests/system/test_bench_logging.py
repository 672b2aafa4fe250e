"""A small `mc-sched bench logging`: every figure is present and within its bounds."""

import json

import pytest

from tests.system.deployment import mc_sched

pytestmark = pytest.mark.system


def test_it_measures_cost_losses_and_answers_in_one_run():
    options = ("--rounds", 5, "--lines", 5000, "--output", "json")
    ran = mc_sched("bench", "logging", *options, patience_s=110)
    assert ran.code == 0, ran.err
    (line,) = ran.out.splitlines()
    report = json.loads(line)
    assert report["dropped"] == 0
    light, overload = report["bursts"]["light"], report["bursts"]["overload"]
    assert sum(light["outcomes"].values()) == sum(overload["outcomes"].values()) == 2000
    assert light["outcomes"]["succeeded"] > 1000  # and all of them where no one else works
    assert light["dropped"] == overload["dropped"] == 0
    assert 0.2 < report["p50_ratio"] < 5  # five rounds on a busy machine show no more
    assert report["lines"] == 5000
    assert 0 < report["query_ms"] <= report["slowest_query_ms"]
    assert report["slowest_query_ms"] == report["queries_ms"][report["slowest_query"]]
    assert 0 < report["cpu_ms_per_task"]["unlogged"] < 1000
    assert set(report["cpu_ms_per_task"]) == {"logged", "unlogged"}
    assert report["first_page_ms"] > 0
    assert "5,000 of 5,000 lines stored" in ran.err
