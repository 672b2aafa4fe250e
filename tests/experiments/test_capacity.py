"""The search for the largest number of edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.experiments.capacity import PRECISION, QOS_NS, Job, largest_carried, share_in_time
from mc_sched.experiments.cells import Cell
from mc_sched.experiments.setting import Setting


@given(st.integers(0, 12_000), st.integers(1, 10_000))
def test_it_is_found_to_the_precision_and_never_above(true, limit):
    tried = []

    def carries(edges):
        tried.append(edges)
        return edges <= true

    found, reachable = largest_carried(carries, limit), min(true, limit)
    assert found <= reachable <= max(found * PRECISION + 1, found)
    assert found == 0 or found in tried
    assert len(tried) == len(set(tried)) < 20


def test_few_edges_are_found_exactly():
    assert [largest_carried(lambda edges, n=n: edges <= n, 100) for n in range(12)] == list(
        range(12)
    )


@pytest.mark.parametrize(("edges", "carried"), [(1, True), (40, False)])
def test_a_server_carries_one_edge_and_not_forty(edges, carried):
    setting = Setting()
    cell = Cell("b", "wifi", 0.75, QOS_NS)
    share = share_in_time(Job(setting, setting.tables("b"), cell, "server", 100), edges)
    assert (share >= 0.99) is carried
