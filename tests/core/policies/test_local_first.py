"""mc may run the local net first, for a task that requires more accuracy than it has."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import StartLocal
from mc_sched.core.policies import POLICIES
from mc_sched.core.policies.local_first import local_first_candidates
from mc_sched.core.policies.options import probability_beyond
from mc_sched.core.policy import (
    CloudForecast,
    LocalFirst,
    Offload,
    OnDeviceForecast,
    Refuse,
    SiteForecast,
    View,
)
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import ExitRule, Mode, Privacy, Site, Task
from tests.core.round_figures import EVERY_POLICY_LOCAL, PARTITIONED, UNSURE, ns
from tests.core.scripted_edge import deadline_timer, failed, succeeded

MC = POLICIES["mc"]
TASK = Task("a", "s", 0, ns(200))
NONE = EntropyThreshold(0.0, 0.0, {"jpeg": 0.95}, 0.80)
HALF = EntropyThreshold(0.4, 0.5, {"jpeg": 0.92}, 0.70)
MOST = EntropyThreshold(0.6, 0.8, {"jpeg": 0.90}, 0.50)
VIEW = View(
    now_ns=0,
    remaining_ns=ns(200),
    latest_start_ns=ns(150),
    accuracy=0.90,
    mode=Mode.ENERGY,
    exit_rule=ExitRule.ADAPTIVE,
    edge=SiteForecast(accuracy=0.80, mean_ns=ns(20), upper_ns=ns(25), energy_j=0.10),
    cloud=(
        CloudForecast(0.91, ns(60), ns(70), 0.30, exit="near", codec="jpeg"),
        CloudForecast(0.95, ns(70), ns(80), 0.30, exit="last", codec="jpeg"),
    ),
    thresholds=(NONE, HALF, MOST),
)


def view(**fields):
    return replace(VIEW, **fields)


def then_cloud(situation, task=TASK):
    """Return the candidate that continues in the cloud."""
    (candidate,) = (
        candidate
        for candidate in local_first_candidates(task, situation)
        if candidate.decision.offload
    )
    return candidate


def then_on_device(situation, task=TASK):
    """Return the candidate that stays on the device."""
    (candidate,) = (
        candidate
        for candidate in local_first_candidates(task, situation)
        if not candidate.decision.offload
    )
    return candidate


def test_the_expected_results_are_means_over_images():
    first = then_cloud(VIEW)
    assert first.decision.threshold is MOST  # the loosest that reaches the QoR
    assert first.energy_j == pytest.approx(0.10 + 0.2 * 0.30)
    assert first.time_ns == pytest.approx(ns(25 + 0.2 * 80))
    assert first.in_time == pytest.approx(1.0)


def test_images_sent_after_the_local_net_may_be_late():
    half = then_cloud(view(remaining_ns=ns(90)))  # 20 + 70 ms on the mean
    assert half.in_time == pytest.approx(1 - 0.2 * 0.5)


ON_DEVICE = (
    OnDeviceForecast(0.91, ns(80), ns(90), 0.5, exit="near"),
    OnDeviceForecast(0.95, ns(100), ns(110), 0.6, exit="last"),
)


def test_a_device_that_holds_the_cloud_net_may_run_it_after_the_local_net():
    candidate = then_on_device(view(on_device=ON_DEVICE))
    assert candidate.decision == LocalFirst(MOST, None, "last")
    assert candidate.energy_j == pytest.approx(0.10 + 0.2 * 0.6)
    assert candidate.in_time == pytest.approx(1.0)


def test_it_also_falls_back_to_it_if_the_cloud_would_be_late():
    candidate = then_cloud(view(on_device=ON_DEVICE, remaining_ns=ns(120)))
    late = probability_beyond(ns(120), VIEW.cloud[1], after_ns=ns(20))
    assert candidate.decision.offload.fallback_exit == "last"
    assert candidate.energy_j == pytest.approx(0.10 + 0.2 * 0.30 + 0.2 * late * 0.6)
    assert candidate.in_time == pytest.approx(1 - 0.2 * late * 0.5)


def test_it_does_not_if_the_mean_would_be_late():
    assert then_on_device(view(on_device=ON_DEVICE, remaining_ns=ns(119))).decision.exit == ""


def test_without_a_second_net_the_sure_answers_must_reach_the_qor_by_themselves():
    """80% of all are right; of those that are kept, 70 of 80 by MOST and 45 of 50 by HALF."""
    candidate = then_on_device(view(cloud=()))
    assert candidate.decision.threshold == replace(HALF, accuracy={"jpeg": pytest.approx(0.90)})
    assert candidate.decision.accuracy == pytest.approx(0.90)
    assert (candidate.decision.exit, candidate.in_time, candidate.energy_j) == ("", 0.5, 0.10)


def test_a_candidate_that_fails_more_often_than_not_is_dropped():
    seldom = replace(MOST, kept=0.49)
    assert not list(local_first_candidates(TASK, view(cloud=(), thresholds=(NONE, seldom))))


def test_an_image_that_must_not_leave_stays():
    private = replace(TASK, privacy=Privacy.EDGE_ONLY)
    assert [candidate.decision.offload for candidate in local_first_candidates(private, VIEW)] == [
        None
    ]


@pytest.mark.parametrize(
    ("situation", "task"),
    [
        pytest.param(view(thresholds=()), TASK, id="nothing was measured"),
        pytest.param(view(accuracy=0.96), TASK, id="the QoR is not reached"),
        pytest.param(view(remaining_ns=ns(24)), TASK, id="the local net is late"),
    ],
)
def test_there_is_no_candidate_if(situation, task):
    assert not list(local_first_candidates(task, situation))


@pytest.mark.parametrize(
    ("situation", "kind"),
    [
        pytest.param(VIEW, LocalFirst, id="energy: 0.16 J against 0.30"),
        pytest.param(
            view(edge=replace(VIEW.edge, energy_j=0.25)), Offload, id="energy: 0.31 J against 0.30"
        ),
        pytest.param(view(mode=Mode.PERFORMANCE), LocalFirst, id="performance: 34 ms against 60"),
        pytest.param(
            view(
                mode=Mode.PERFORMANCE, edge=replace(VIEW.edge, mean_ns=ns(50), upper_ns=ns(60))
            ),
            Offload,
            id="performance: 64 ms against 60",
        ),
        pytest.param(
            view(mode=Mode.PERFORMANCE, remaining_ns=ns(82)),
            Offload,
            id="performance: late more often",
        ),
        pytest.param(view(remaining_ns=ns(30)), LocalFirst, id="the cloud would be late"),
        pytest.param(
            view(remaining_ns=ns(69), thresholds=(NONE, replace(HALF, kept=0.2))),
            Offload,
            id="the cloud is in time on the mean, and that is more",
        ),
        pytest.param(view(remaining_ns=ns(24)), Refuse, id="both would be late"),
    ],
)  # fmt: skip
def test_mc_takes_it_if_it_is_better(situation, kind):
    assert isinstance(MC(TASK, situation), kind)


def test_a_task_that_the_local_net_can_serve_needs_no_other_net():
    assert not isinstance(MC(TASK, view(accuracy=0.75)), LocalFirst)


# --- in events and actions --------------------------------------------------------------------

FINE = {"accuracy": 0.86}
"""The threshold is 0.5: it keeps 0.7, and with JPEGs reaches 0.86."""


@pytest.fixture
def holding(make_edge):
    """An edge that holds the cloud net, 12 ms per stage, and has just lost its cloud."""
    edge = make_edge(EVERY_POLICY_LOCAL, PARTITIONED, cloud_net_on_edge=True)
    edge.tell(0, ev.CloudGone, "cut")
    return edge


def unsure(edge, ms, task_id="a"):
    return edge.tell(ms, ev.LocalDone, task_id, UNSURE)


def test_a_sure_answer_ends_the_task(holding):
    assert holding.submit(0, "a", 100, **FINE) == [deadline_timer("a", 100), StartLocal("a")]
    assert holding.local_done(20, "a")[-1] == succeeded("a", Site.EDGE, exit="local")


def test_an_unsure_answer_starts_the_cloud_net_on_the_device(holding):
    holding.submit(0, "a", 100, **FINE)
    assert unsure(holding, 20) == [StartLocal("a", "exit4")]
    assert holding.local_done(82, "a")[-1] == succeeded(
        "a", Site.EDGE, exit="exit4", expected_accuracy=0.86
    )
    assert holding.outcome("a").energy.compute_j == pytest.approx(7.0 * 0.082)


def test_an_unsure_answer_stands_and_fails_if_the_cloud_net_would_be_late(holding):
    holding.submit(0, "a", 45, **FINE)
    assert unsure(holding, 20)[-1] == failed("a", site=Site.EDGE, expected_accuracy=0.50)


def test_an_unsure_answer_stands_and_fails_if_the_cloud_net_fails(holding):
    holding.submit(0, "a", 100, **FINE)
    unsure(holding, 20)
    assert holding.tell(30, ev.LocalFailed, "a", "out of memory")[-1] == failed(
        "a", site=Site.EDGE, prediction=UNSURE
    )


def test_an_offload_after_the_local_net_falls_back_to_the_cloud_net_on_the_device(make_edge):
    edge = make_edge(EVERY_POLICY_LOCAL, PARTITIONED, cloud_net_on_edge=True)
    edge.submit(0, "a", 130, mode=Mode.PERFORMANCE, **FINE)
    unsure(edge, 20)
    edge.tell(30, ev.CloudLost, "a", "cut")
    assert edge.running == "a"
    assert edge.local_done(92, "a")[-1] == succeeded("a", Site.EDGE, exit="exit4")
