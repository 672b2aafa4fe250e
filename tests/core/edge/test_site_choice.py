"""Algorithm I, steps 4 and 5: the choice of the site if one of them, or both, can serve a task."""

from dataclasses import replace

import pytest

from mc_sched.core.actions import SendToCloud, SetTimer, StartLocal
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS, RadioModel
from mc_sched.core.events import TimerKind
from mc_sched.core.tables import Codec
from mc_sched.core.task import ExitRule, Mode, Privacy
from tests.core.round_figures import CLOUD
from tests.core.scripted_edge import deadline_timer, fallback_timer, refused, sent

PERFORMANCE, ENERGY = Mode.PERFORMANCE, Mode.ENERGY
FRUGAL = EnergyModel(compute_w=3.0, radio=RADIOS["3g"])
WITH_FEATURES = replace(
    CLOUD,
    exits=tuple(
        replace(e, accuracy={**e.accuracy, "features": e.accuracy["jpeg"] - 0.02})
        for e in CLOUD.exits
    ),
    codecs=(*CLOUD.codecs, Codec("features")),
)
"""Features lose two points at each exit."""
BOTH = {"jpeg": 10_000, "features": 4_000}


def site_of(actions):
    """The kind of action that starts the task's work, or None."""
    works = [a for a in actions if isinstance(a, StartLocal | SendToCloud)]
    return type(works[0]) if works else None


# --- one site only ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_only_the_cloud_is_accurate_enough(edge, mode):
    assert edge.submit(0, "a", 84, accuracy=0.9, mode=mode) == [
        deadline_timer("a", 84),
        sent("a", budget=79, accuracy=0.9),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_only_the_edge_is_fast_enough(edge, mode):
    assert edge.submit(0, "a", 25, mode=mode) == [deadline_timer("a", 25), StartLocal("a")]


@pytest.mark.parametrize("mode", Mode)
def test_only_the_cloud_is_free_in_time(edge, mode):
    """The edge is busy for 20 ms more: 40 in all, and the cloud needs 29."""
    edge.submit(0, "x", 25)
    assert edge.submit(0, "a", 35, mode=mode)[-1] == sent("a", budget=30)


# --- both -------------------------------------------------------------------------------------


def test_performance_mode_keeps_the_image_on_the_edge(edge):
    assert edge.submit(0, "a", 84, mode=PERFORMANCE) == [deadline_timer("a", 84), StartLocal("a")]


def test_energy_mode_takes_the_cloud_if_the_upload_costs_less(edge):
    """Wi-Fi: 24.4 mJ of radio against 140 mJ of computing."""
    assert edge.submit(0, "a", 84, mode=ENERGY) == [
        deadline_timer("a", 84),
        fallback_timer("a", 60),
        sent("a", budget=79, reply_in=55),
    ]


def test_energy_mode_takes_the_edge_if_the_upload_costs_more(make_edge):
    """3G: 80 mJ of radio against 60 mJ of a device that computes at 3 W."""
    edge = make_edge(energy=FRUGAL)
    assert edge.submit(0, "a", 84) == [deadline_timer("a", 84), StartLocal("a")]


def test_energy_mode_takes_the_edge_if_the_link_turns_out_slow(make_edge):
    """The edge would cost 30 mJ; the image 25 mJ within 18 ms of Wi-Fi, 62 mJ within 290 ms."""
    edge = make_edge(energy=EnergyModel(compute_w=1.5))
    assert site_of(edge.submit(12_000, "a", 500)) is SendToCloud
    edge.accepted(12_320, "a")
    edge.replied(12_329, "a")
    assert site_of(edge.submit(12_400, "b", 500)) is StartLocal


def test_an_offload_that_can_answer_before_the_latest_start_has_a_fallback_timer(edge):
    """The cloud answers after 29 ms, and the edge needs 20 + 4 of margin."""
    assert timers(edge.submit(0, "a", 53)) == {TimerKind.DEADLINE, TimerKind.FALLBACK}


def test_an_offload_that_is_almost_certain_needs_no_fallback_timer(edge):
    actions = edge.submit(0, "a", 53 - 1e-3)
    assert (timers(actions), site_of(actions)) == ({TimerKind.DEADLINE}, SendToCloud)


def test_a_task_runs_locally_if_an_offload_is_not_almost_certain_to_be_in_time(edge):
    assert site_of(edge.submit(0, "a", 29)) is StartLocal


def test_after_a_late_offload_the_next_one_has_a_fallback_timer(edge):
    edge.submit(0, "first", 84)
    assert site_of(edge.submit(0, "second", 43)) is SendToCloud
    edge.deadline_fires(43, "second")
    third = edge.submit(43, "third", 43)
    assert (timers(third), site_of(third)) == (
        {TimerKind.FALLBACK, TimerKind.DEADLINE},
        SendToCloud,
    )


def timers(actions):
    return {action.kind for action in actions if isinstance(action, SetTimer)}


def test_mc_paper_takes_the_cloud_in_energy_mode_whatever_it_costs(make_edge):
    edge = make_edge(energy=FRUGAL, policy="mc-paper")
    assert edge.submit(0, "a", 84)[-1] == sent("a", budget=79, rule=ExitRule.PURSUE)
    assert site_of(edge.submit(1, "b", 84, mode=PERFORMANCE)) is StartLocal


def test_equal_joules_keep_the_image_on_the_edge(make_edge):
    free = EnergyModel(compute_w=0.0, radio=RadioModel("none", 0.0, 0.0, 0.0))
    assert site_of(make_edge(energy=free).submit(0, "a", 84)) is StartLocal


# --- settings and tasks ------------------------------------------------------------------------


def test_the_settings_mode_holds_for_tasks_that_name_none(make_edge):
    assert site_of(make_edge(mode=PERFORMANCE).submit(0, "a", 84)) is StartLocal
    assert site_of(make_edge(mode=ENERGY).submit(0, "a", 84)) is SendToCloud


def test_a_task_may_name_its_own_mode(make_edge):
    edge = make_edge(mode=PERFORMANCE)
    assert site_of(edge.submit(0, "a", 84, mode=ENERGY)) is SendToCloud
    assert site_of(edge.submit(1, "b", 84)) is StartLocal


def test_a_task_may_name_its_own_policy(edge):
    assert site_of(edge.submit(0, "a", 84, policy="edge-only")) is StartLocal
    assert site_of(edge.submit(1, "b", 84)) is SendToCloud


def test_the_settings_policy_holds_for_tasks_that_name_none(make_edge):
    assert site_of(make_edge(policy="edge-only").submit(0, "a", 84)) is StartLocal


def test_the_settings_exit_rule_goes_to_the_cloud(make_edge):
    edge = make_edge(exit_rule=ExitRule.EARLIEST)
    assert edge.submit(0, "a", 84)[-1] == sent("a", budget=79, rule=ExitRule.EARLIEST, reply_in=55)


def test_a_task_without_an_accuracy_gets_the_basic_one(make_edge):
    edge = make_edge(basic_accuracy=0.9)
    assert edge.submit(0, "a", 84) == [
        deadline_timer("a", 84),
        sent("a", budget=79, accuracy=0.9),
    ]


def test_server_sends_every_task_to_the_last_exit_and_never_falls_back(edge):
    assert edge.submit(0, "a", 84, policy="server") == [
        deadline_timer("a", 84),
        sent("a", budget=79, accuracy=0.94, rule=ExitRule.EARLIEST),
    ]


def test_server_ignores_forecasts(edge):
    assert site_of(edge.submit(0, "a", 1, policy="server")) is SendToCloud


# --- privacy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("privacy", [Privacy.EDGE_ONLY, Privacy.FEATURES])
@pytest.mark.parametrize("policy", ["mc", "mc-paper", "edge-only"])
def test_a_private_image_stays_on_the_edge_if_the_edge_can_serve_it(edge, policy, privacy):
    assert edge.submit(0, "a", 84, policy=policy, privacy=privacy, mode=ENERGY) == [
        deadline_timer("a", 84),
        StartLocal("a"),
    ]


@pytest.mark.parametrize("privacy", [Privacy.EDGE_ONLY, Privacy.FEATURES])
@pytest.mark.parametrize("policy", ["mc", "mc-paper", "server", "edge-only"])
def test_a_private_image_is_refused_if_only_the_cloud_could_serve_it(edge, policy, privacy):
    actions = edge.submit(0, "a", 84, policy=policy, privacy=privacy, accuracy=0.9)
    assert actions == [refused("a")]


def test_features_may_leave_if_images_may_not(make_edge):
    edge = make_edge(cloud=WITH_FEATURES)
    actions = edge.submit(0, "a", 84, privacy=Privacy.FEATURES, payload_bytes=BOTH, accuracy=0.85)
    assert actions[-1] == sent("a", budget=79, accuracy=0.85, codec="features")


def test_features_stay_if_nothing_may_leave(make_edge):
    edge = make_edge(cloud=WITH_FEATURES)
    actions = edge.submit(0, "a", 84, privacy=Privacy.EDGE_ONLY, payload_bytes=BOTH, accuracy=0.85)
    assert actions == [refused("a")]


def test_the_faster_codec_that_is_accurate_enough_carries_the_image(make_edge):
    edge = make_edge(cloud=WITH_FEATURES)
    coarse = edge.submit(0, "a", 84, payload_bytes=BOTH, accuracy=0.85)
    assert coarse[-1] == sent("a", budget=79, accuracy=0.85, codec="features")
    fine = edge.submit(1, "b", 84, payload_bytes=BOTH, accuracy=0.94)
    assert fine[-1] == sent("b", budget=79, accuracy=0.94, codec="jpeg")
