"""New settings while tasks are open: running work continues, later decisions use them."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Finish, SendToCloud, StartLocal
from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import Mode
from tests.core.scripted_edge import refused

FINE = {"accuracy": 0.9}
"""Only the cloud is accurate enough."""


def reconfigure(edge, ms, **changed):
    edge.tell(ms, ev.EdgeReconfigured, replace(EdgeSettings(), **changed))


def kinds(actions):
    return {type(action) for action in actions}


def test_the_next_task_is_decided_by_the_new_mode(edge):
    assert SendToCloud in kinds(edge.submit(0, "a", 84))
    reconfigure(edge, 1, mode=Mode.PERFORMANCE)
    assert StartLocal in kinds(edge.submit(2, "b", 84))


def test_the_next_task_is_decided_by_the_new_policy(edge):
    reconfigure(edge, 0, policy="edge-only")
    assert StartLocal in kinds(edge.submit(1, "a", 84))


def test_a_lower_max_tasks_refuses_the_next_and_keeps_the_open_ones(edge):
    edge.submit(0, "a", 200)
    edge.submit(1, "b", 200)
    reconfigure(edge, 2, max_tasks=1)
    (finish,) = edge.submit(3, "c", 200)
    assert isinstance(finish, Finish)
    assert refused("c") == finish
    assert not edge.accepted(10, "a")


def test_uploads_beyond_a_lower_max_uploads_end_before_the_next_starts(make_edge):
    edge = make_edge(max_uploads=2)
    for number, name in enumerate("abc"):
        edge.submit(number, name, 300, **FINE)
    reconfigure(edge, 3, max_uploads=1)
    assert SendToCloud not in kinds(edge.accepted(20, "a", "exit3"))
    assert SendToCloud in kinds(edge.accepted(30, "b", "exit3"))


def test_status_shows_the_new_settings(edge):
    reconfigure(edge, 0, mode=Mode.PERFORMANCE, policy="server", basic_accuracy=0.6)
    seen = edge.machine.snapshot(1)
    assert (seen.mode, seen.policy, seen.basic_accuracy) == ("performance", "server", 0.6)


def test_a_lower_quantile_forecasts_shorter_times(make_edge):
    edge = make_edge(warmed_up=False)
    before = edge.machine.snapshot(10**9).local_predicted_ns
    reconfigure(edge, 0, quantile=0.5)
    assert edge.machine.snapshot(10**9).local_predicted_ns < before


def test_a_lower_max_tasks_on_the_cloud(cloud):
    cloud.machine.handle(ev.CloudReconfigured(0, CloudSettings(max_tasks=1, quantile=0.9)))
    cloud.machine.validate()
    assert cloud.machine._admission.max_tasks == 1


@pytest.mark.parametrize("target", [0.6, 0.99])
def test_a_level_keeps_what_it_learned_beside_its_target(target):
    level, fresh = AdaptiveLevel(0.8), AdaptiveLevel(target)
    for number in range(3):
        level.record(number, False)
        fresh.record(number, False)
    learned = level.level(3) - 0.8
    level.set_quantile(target)
    assert level.level(3) == pytest.approx(min(1.0, target + learned))
