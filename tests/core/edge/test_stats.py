"""The edge's statistics, as `status` shows them: outcomes, sites, give-ups, joules."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS
from tests.core.round_figures import at, ns

FINE = {"accuracy": 0.9}
LOCALLY = {"policy": "edge-only"}


@pytest.fixture
def shown(edge):
    """Counts since the test began."""
    before = edge.machine.snapshot(at(0))

    def since():
        after = edge.machine.snapshot(edge.now_ns)
        return {
            "outcomes": _added(before.outcomes, after.outcomes),
            "sites": _added(before.sites, after.sites),
            "gave_up": after.gave_up - before.gave_up,
            "energy_j": after.energy_j - before.energy_j,
            "open": after.tasks_open,
        }

    return since


def _added(before, after):
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def test_at_the_start_all_counts_are_zero(shown):
    assert shown() == {"outcomes": {}, "sites": {}, "gave_up": 0, "energy_j": 0, "open": 0}


def test_each_outcome_is_counted_once(edge, shown):
    edge.submit(0, "succeeds", 84, **LOCALLY)
    edge.local_done(20, "succeeds")
    edge.submit(21, "late", 84, **FINE)
    edge.deadline_fires(105, "late")
    edge.tell(106, ev.CloudStopped, "late", "given up", 0)
    edge.submit(107, "refused", 1)
    edge.submit(108, "fails", 84, **LOCALLY)
    edge.tell(110, ev.LocalFailed, "fails", "out of memory")
    assert shown()["outcomes"] == {"succeeded": 1, "late": 1, "refused": 1, "failed": 1}


def test_the_site_that_answered_is_counted(edge, shown):
    edge.submit(0, "on-edge", 84, **LOCALLY)
    edge.local_done(20, "on-edge")
    edge.submit(21, "in-cloud", 84)
    edge.accepted(41, "in-cloud")
    edge.replied(50, "in-cloud")
    assert shown()["sites"] == {"edge": 1, "cloud": 1}


def test_a_fallback_counts_for_the_edge_and_as_a_give_up(edge, shown):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert shown()["sites"] == {"edge": 1}
    assert shown()["gave_up"] == 1


def test_a_late_answer_counts_for_its_site(edge, shown):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(85, "a")
    assert (shown()["outcomes"], shown()["sites"]) == ({"late": 1}, {"edge": 1})


def test_a_task_without_an_answer_counts_for_no_site(edge, shown):
    edge.submit(0, "a", 84, **FINE)
    edge.deadline_fires(84, "a")
    assert (shown()["sites"], shown()["gave_up"]) == ({}, 1)


def test_a_task_that_ends_without_an_upload_in_flight_is_not_given_up(edge, shown):
    edge.submit(0, "a", 84, **FINE)
    edge.tell(5, ev.CloudLost, "a", "cut")
    edge.submit(6, "b", 84, **LOCALLY)
    edge.deadline_fires(90, "b")
    assert shown()["gave_up"] == 0


def test_joules_add_up_over_all_outcomes(edge, shown):
    for number, policy in enumerate(("edge-only", "server", "server")):
        edge.submit(100 * number, f"t{number}", 84, policy=policy)
    edge.local_done(20, "t0")
    edge.accepted(120, "t1")
    edge.replied(140, "t1")
    edge.deadline_fires(284, "t2")
    total_j = sum(edge.outcome(f"t{number}").energy.total_j for number in range(3))
    assert shown()["energy_j"] == pytest.approx(total_j)
    assert total_j > 0.14


def test_open_tasks_are_those_without_an_outcome(edge, shown):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.submit(0, "b", 84)
    assert shown()["open"] == 2
    edge.deadline_fires(84, "a")  # its run is still being aborted
    assert shown()["open"] == 1


def test_status_shows_the_settings(make_edge):
    energy = EnergyModel(idle_w=1.9, radio=RADIOS["4g"], source="ina3221")
    edge = make_edge(policy="mc-paper", basic_accuracy=0.6, energy=energy)
    shown = edge.machine.snapshot(at(0))
    assert (shown.mode, shown.policy, shown.basic_accuracy) == ("energy", "mc-paper", 0.6)
    assert (shown.energy_source, shown.idle_w) == ("ina3221", 1.9)


def test_status_shows_that_the_agent_drains(edge):
    assert not edge.machine.snapshot(at(0)).draining
    edge.tell(0, ev.Drain)
    assert edge.machine.snapshot(at(0)).draining


def test_the_time_in_the_cloud_is_the_clouds_report(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a", compute=8)
    edge.submit(30, "b", 84, **FINE)
    edge.tell(60, ev.CloudStopped, "b", "infeasible", ns(3))
    assert (edge.outcome("a").cloud_ns, edge.outcome("b").cloud_ns) == (ns(8), ns(3))


def test_the_joules_of_probes_are_counted_apart(edge):
    before = edge.machine.snapshot(edge.now_ns)
    edge.tell(0, ev.LinkSampled, ns(20), 0, 1.0, "", 0, 7_900)
    after = edge.machine.snapshot(edge.now_ns)
    # 283.17 mW/Mbps * 64 kbit up, 137.01 * 0.8 kbit down, 132.86 mW for 20 ms
    probe_j = (283.17 * 0.064 + 137.01 * 0.0008 + 132.86 * 0.020) * 1e-3
    assert after.energy_probes_j - before.energy_probes_j == pytest.approx(probe_j)
    assert after.energy_j == before.energy_j


def test_a_probe_that_the_cloud_held_costs_at_least_its_bytes(edge):
    before = edge.machine.snapshot(edge.now_ns).energy_probes_j
    edge.tell(0, ev.LinkSampled, ns(5), 0, 1.0, "", ns(9))
    assert edge.machine.snapshot(edge.now_ns).energy_probes_j > before
