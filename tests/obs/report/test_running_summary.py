"""A summary is built result by result, so its memory does not grow with the run."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.quantiles import nearest_rank
from mc_sched.obs.report.running_summary import LatencyCounts


@given(st.lists(st.integers(0, 6 * 10**10), min_size=1, max_size=200))
def test_quantiles_of_few_latencies_are_exact(latencies_ns):
    figures, ordered_ms = figures_of(latencies_ns), sorted(ns / 1e6 for ns in latencies_ns)
    for percent in (50, 95, 99):
        assert figures[f"p{percent}"] == nearest_rank(ordered_ms, percent / 100)
    assert figures["max"] == ordered_ms[-1]
    assert figures["mean"] == pytest.approx(sum(ordered_ms) / len(ordered_ms))


def test_quantiles_of_many_latencies_are_close():
    draw = random.Random(0)
    latencies_ns = [round(draw.lognormvariate(17, 1)) for _ in range(20_000)]
    figures, ordered_ms = figures_of(latencies_ns), sorted(ns / 1e6 for ns in latencies_ns)
    for percent in (50, 95, 99):
        true_ms = nearest_rank(ordered_ms, percent / 100)
        assert figures[f"p{percent}"] == pytest.approx(true_ms, rel=5e-4)


def figures_of(latencies_ns):
    counts = LatencyCounts()
    for latency_ns in latencies_ns:
        counts.add(latency_ns)
    return counts.figures_ms()


def test_memory_does_not_grow_with_the_number_of_latencies():
    counts = LatencyCounts()
    for number in range(100_000):
        counts.add(10_000_000 + number * 997)
    assert len(counts._counts) < 5_000
    assert counts.figures_ms()["p50"] == pytest.approx(10 + 50_000 * 997e-6, rel=6e-4)
