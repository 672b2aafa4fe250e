"""mc may ask the local net first, for a task of more accuracy than it has."""

from dataclasses import replace

import pytest
from round_figures import ns

from mc_sched.core.policies import POLICIES
from mc_sched.core.policies.chance import chance_beyond
from mc_sched.core.policies.local_first import local_first
from mc_sched.core.policy import CloudForecast, EdgeFirst, Offload, Refuse, SiteForecast, View
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import ExitRule, Mode, Privacy, Task

MC = POLICIES["mc"]
TASK = Task("a", "s", 0, ns(200))
NONE = EntropyThreshold(0.0, 0.0, {"jpeg": 0.95}, 0.80)
HALF = EntropyThreshold(0.4, 0.5, {"jpeg": 0.92}, 0.70)
MOST = EntropyThreshold(0.6, 0.8, {"jpeg": 0.90}, 0.50)
VIEW = View(
    now_ns=0,
    remaining_ns=ns(200),
    take_back_ns=ns(150),
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


def test_what_it_is_expected_to_deliver_is_the_mean_over_images():
    first = local_first(TASK, VIEW)
    assert first.decision.threshold is MOST  # the loosest that reaches the QoR
    assert first.energy_j == pytest.approx(0.10 + 0.2 * 0.30)
    assert first.time_ns == pytest.approx(ns(25 + 0.2 * 80))
    assert first.in_time == pytest.approx(1.0)


def test_images_that_go_up_after_the_local_net_may_be_late():
    half = local_first(TASK, view(remaining_ns=ns(90)))  # 20 + 70 ms on the mean
    assert half.in_time == pytest.approx(1 - 0.2 * 0.5)


@pytest.mark.parametrize(
    ("situation", "task"),
    [
        pytest.param(view(thresholds=()), TASK, id="nothing was measured"),
        pytest.param(view(accuracy=0.96), TASK, id="the QoR is not reached"),
        pytest.param(view(remaining_ns=ns(24)), TASK, id="the local net is late"),
        pytest.param(view(cloud=()), TASK, id="no cloud"),
        pytest.param(VIEW, replace(TASK, privacy=Privacy.EDGE_ONLY), id="nothing may leave"),
    ],
)
def test_it_is_no_way_where(situation, task):
    assert local_first(task, situation) is None


@pytest.mark.parametrize(
    ("situation", "kind"),
    [
        pytest.param(VIEW, EdgeFirst, id="energy: 0.16 J against 0.30"),
        pytest.param(
            view(edge=replace(VIEW.edge, energy_j=0.25)), Offload, id="energy: 0.31 J against 0.30"
        ),
        pytest.param(view(mode=Mode.PERFORMANCE), EdgeFirst, id="performance: 34 ms against 60"),
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
        pytest.param(view(remaining_ns=ns(30)), EdgeFirst, id="the cloud would be late"),
        pytest.param(
            view(remaining_ns=ns(69), thresholds=(NONE, replace(HALF, kept=0.2))),
            Offload,
            id="the cloud is in time on the mean, and that is more",
        ),
        pytest.param(view(remaining_ns=ns(24)), Refuse, id="both would be late"),
    ],
)  # fmt: skip
def test_mc_takes_it_where_it_is_better(situation, kind):
    assert isinstance(MC(TASK, situation), kind)


def test_a_task_that_the_local_net_can_serve_is_asked_of_it_alone():
    assert not isinstance(MC(TASK, view(accuracy=0.75)), EdgeFirst)


def test_a_chance_is_a_half_at_the_mean_and_a_twentieth_at_the_upper_quantile():
    site = SiteForecast(0.9, ns(50), ns(60), 0.1)
    assert chance_beyond(ns(50), site) == pytest.approx(0.5)
    assert chance_beyond(ns(60), site) == pytest.approx(0.05, abs=1e-3)
    assert chance_beyond(ns(80), site, after_ns=ns(20)) == pytest.approx(0.05, abs=1e-3)
