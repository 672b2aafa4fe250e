"""The search for the largest number of edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc_sched.core.policies import POLICIES
from mc_sched.core.task import Mode
from mc_sched.experiments import capacity
from mc_sched.experiments.capacity import (
    ON_T4,
    ONE_BY_ONE,
    PRECISION,
    QOS_NS,
    REQUIRED_SHARE,
    T4_QOR,
    WITH_BATCHES,
    Contender,
    Job,
    batch_gain,
    largest_carried,
    share_in_time,
)
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.systems import System


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


@pytest.fixture
def short_trials(monkeypatch):
    monkeypatch.setattr(capacity, "TRIAL_TASKS", 1500)


def trial(setting, net_set, qor, contender, edges):
    cell = Cell(net_set, "wifi", qor, QOS_NS)
    return share_in_time(Job(setting, setting.tables(net_set), cell, contender, 100), edges)


@pytest.mark.parametrize(("edges", "carried"), [(1, True), (40, False)])
def test_a_server_carries_one_edge_and_not_forty(edges, carried):
    share = trial(Setting(), "b", 0.75, Contender("server", "server"), edges)
    assert (share >= REQUIRED_SHARE) is carried


@pytest.mark.usefixtures("short_trials")
def test_on_a_t4_batches_carry_three_times_the_edges():
    batches, one_by_one, whole_network = ON_T4
    t4 = Setting(profile="t4")
    assert trial(t4, "b", T4_QOR, one_by_one, 20) < REQUIRED_SHARE
    assert trial(t4, "b", T4_QOR, batches, 60) >= REQUIRED_SHARE
    assert trial(t4, "b", T4_QOR, whole_network, 30) >= REQUIRED_SHARE  # 13 without batches


def test_trials_beyond_the_capacity_do_not_change_it(monkeypatch):
    tried = []

    def share(job, edges):
        tried.append(edges)
        return 1.0 if edges <= 9 else 0.5

    monkeypatch.setattr(capacity, "share_in_time", share)
    cell = Cell("a", "wifi", T4_QOR, QOS_NS)
    job = Job(Setting(), None, cell, ON_T4[0], 100, overloads=(1.5, 2.0))
    found = capacity.capacity(job)
    assert found["carried"] == 9
    assert dict(found["trials"])[14] == dict(found["trials"])[18] == 0.5
    assert len(tried) == len(set(tried))


def test_the_gain_of_batches_is_a_ratio_of_edges():
    carried = {("a", WITH_BATCHES): 60, ("a", ONE_BY_ONE): 20, ("b", WITH_BATCHES): 9,
               ("b", ONE_BY_ONE): 0}  # fmt: skip
    curves = [
        {"set": net_set, "system": system, "carried": edges}
        for (net_set, system), edges in carried.items()
    ]
    assert batch_gain(curves) == {"a": 3.0, "b": None}


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_systems_of_the_literature_meet_a_cloud_agent_as_it_was_published(policy):
    cell = Cell("a", "wifi", 0.75, QOS_NS)
    (cloud,) = scenario_of(cell, Setting(), System(policy, Mode.ENERGY), seed=0).clouds
    settings = cloud.settings()
    assert (settings.max_batch == 1) is (policy != "mc")
    assert settings.credits is (policy == "mc")
