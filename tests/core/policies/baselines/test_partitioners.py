"""Neurosurgeon, JointDNN and Edgent: where they split the cloud net, and what the machine does.

With the round figures a stage takes 12 ms on the device and 4 in the cloud; the upload of an image
takes 10 ms, those of the splits 20, 4, 2 and 2 ms.
"""

import random
from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import AbortLocal, Encode, StartLocal
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.core.policies.baselines.jointdnn import shortest_path
from mc_sched.core.policy import (
    CloudForecast,
    Fallback,
    Offload,
    OnDeviceForecast,
    Refuse,
    RunOnEdge,
    SiteForecast,
    View,
)
from mc_sched.core.scores import Predictor
from mc_sched.core.stage_graph import Cost, StageGraph, Upload
from mc_sched.core.task import ExitRule, Mode, Privacy, Site, Task
from tests.core.round_figures import BOTH_PAYLOADS, EVERY_POLICY_LOCAL, MS, PARTITIONED, at, ns
from tests.core.scripted_edge import (
    ScriptedEdge,
    deadline_timer,
    failed,
    no_deadline,
    sent,
    succeeded,
    task,
)

FAST = {"mode": Mode.PERFORMANCE}
every_one = pytest.mark.parametrize("policy", sorted(PARTITIONERS))


@pytest.fixture
def edge():
    return ScriptedEdge(EVERY_POLICY_LOCAL, PARTITIONED)


# --- as pure functions ------------------------------------------------------------------------

TASK = Task("a", "s", 0, ns(100))


def offload(codec, exit_, mean, joules, accuracy=0.9):
    return CloudForecast(accuracy, ns(mean), ns(2 * mean), joules, exit_, codec)


def on_device(exit_, mean, joules, accuracy=0.9):
    return OnDeviceForecast(accuracy, ns(mean), ns(2 * mean), joules, exit_)


VIEW = View(
    now_ns=0, remaining_ns=ns(100), latest_start_ns=ns(60), accuracy=0.75, mode=Mode.PERFORMANCE,
    exit_rule=ExitRule.ADAPTIVE, edge=SiteForecast(0.8, ns(20), ns(30), 0.2),
    cloud=(
        offload("jpeg", "near", 40, 0.10, 0.7), offload("jpeg", "far", 60, 0.10),
        offload("features", "far", 5, 0.01, 0.88),
        offload("split1", "near", 30, 0.15, 0.7), offload("split1", "far", 50, 0.15),
    ),
    on_device=(on_device("near", 45, 0.2, 0.7), on_device("far", 80, 0.4)),
)  # fmt: skip


def sends(codec, mean, accuracy=0.9):
    return Offload(codec, accuracy, ExitRule.EARLIEST, ns(mean), Fallback.NEVER)


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param({}, sends("split1", 50), id="the quickest"),
        pytest.param({"mode": Mode.ENERGY}, sends("jpeg", 60), id="the cheapest"),
        pytest.param({"remaining_ns": 1, "accuracy": 0.99}, sends("split1", 50), id="regardless"),
        pytest.param({"cloud": ()}, RunOnEdge("far"), id="no cloud"),
        pytest.param(
            {"on_device": (on_device("far", 49, 9),)}, RunOnEdge("far"), id="nothing left"
        ),
    ],
)
def test_neurosurgeon(situation, decision):
    assert POLICIES["neurosurgeon"](TASK, replace(VIEW, **situation)) == decision


@pytest.mark.parametrize(
    ("situation", "decision"),
    [
        pytest.param({}, sends("split1", 50), id="the deepest"),
        pytest.param({"mode": Mode.ENERGY}, sends("split1", 50), id="whatever it costs"),
        pytest.param({"remaining_ns": ns(49)}, sends("split1", 30, 0.7), id="a shallower one"),
        pytest.param({"cloud": (), "remaining_ns": ns(79)}, RunOnEdge("near"), id="on the device"),
        pytest.param({"accuracy": 0.99}, sends("split1", 50), id="whatever high accuracy"),
    ],
)
def test_edgent(situation, decision):
    assert POLICIES["edgent"](TASK, replace(VIEW, **situation)) == decision


def test_edgent_refuses_a_task_that_no_exit_can_serve_in_time():
    decision = POLICIES["edgent"](TASK, replace(VIEW, remaining_ns=ns(29)))
    assert isinstance(decision, Refuse)
    assert decision.shortfalls[0].needed == ns(30)


# --- JointDNN's graph -------------------------------------------------------------------------


def graph(device=(10, 10, 10), cloud=(1, 1, 1), uploads=((0, "jpeg", 25), (1, "split1", 5))):
    def cost(ms):
        return Cost(ns(ms), ms / 1000)

    edges = tuple(Upload(codec, stage, cost(ms)) for stage, codec, ms in uploads)
    return StageGraph(tuple(map(cost, device)), tuple(map(cost, cloud)), edges, cost(1), "far")


def path(layers, codecs=("jpeg", "split1", "features")):
    return [c for c in shortest_path(layers, set(codecs), lambda cost: cost.time_ns) if c]


@pytest.mark.parametrize(
    ("layers", "sent_by"),
    [
        pytest.param(graph(), ["split1"], id="10 + 5 + 2 + 1 of 18"),
        pytest.param(graph(uploads=((0, "jpeg", 13), (1, "split1", 5))), ["jpeg"], id="17 of 18"),
        pytest.param(graph(device=(3, 3, 3)), [], id="on the device"),
        pytest.param(graph(uploads=()), [], id="no link"),
        pytest.param(graph(cloud=(9, 9, 20), uploads=((0, "jpeg", 5),)), [], id="a slow cloud"),
    ],
)
def test_the_shortest_path(layers, sent_by):
    assert path(layers) == sent_by


def test_only_uploads_that_are_allowed_are_in_the_graph():
    assert path(graph(), codecs=("jpeg",)) == ["jpeg"]


def test_the_download_counts():
    tie = graph(device=(5, 5, 7.5), uploads=((0, "jpeg", 14),))
    assert path(tie) == []
    assert path(replace(tie, reply=Cost(0, 0.0))) == ["jpeg"]


@pytest.mark.parametrize("seed", range(30))
def test_it_is_as_short_as_the_best_of_all_cuts(seed):
    draw = random.Random(seed)
    ms = [draw.randrange(1, 40) for _ in range(12)]
    uploads = tuple((stage, f"split{stage}", ms[6 + stage]) for stage in range(3))
    layers = graph(ms[:3], ms[3:6], uploads)
    cuts = {f"split{s}": sum(ms[:s]) + up + sum(ms[3 + s : 6]) + 1 for s, _, up in uploads}
    cuts[""] = sum(ms[:3])
    found = (path(layers, cuts) or [""])[0]
    assert cuts[found] == min(cuts.values())


def test_the_link_is_its_long_run_mean(edge):
    """Four uploads at 8 Mbps and one at 80 make 9.8 Mbps."""
    link = edge.machine._forecast.long_run_link
    before = link.up_ns(10_000)
    assert before == pytest.approx(10 * MS, rel=0.01)
    edge.submit(0, "a", 900, policy="server")
    edge.accepted(11, "a", "exit4")
    assert before * 0.8 < link.up_ns(10_000) < before


# --- in the machine ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["neurosurgeon", "jointdnn"])
def test_a_split_is_packed_and_sent_and_the_cloud_continues(edge, policy):
    """If the cloud is slow at its first stage, it pays to run two stages on the device."""
    cheap = replace(PARTITIONED, stage_ns=(60 * MS, *PARTITIONED.stage_ns[1:]))
    edge = ScriptedEdge(EVERY_POLICY_LOCAL, cheap)
    actions = edge.submit(0, "a", 300, policy=policy, **FAST)
    assert actions == [deadline_timer("a", 300), Encode("a", "split2")]
    assert edge.encoded(25, "a", took=25) == [
        sent("a", 300 - 25 - 5, 0.94, ExitRule.EARLIEST, codec="split2")
    ]
    edge.accepted(39, "a", "exit4", 13)
    assert edge.replied(52, "a", "exit4", 13)[-1] == succeeded(
        "a", Site.CLOUD, exit="exit4", codec="split2", bytes_up=4_000
    )
    assert edge.outcome("a").energy.encode_j == pytest.approx(7.0 * 0.025)


@every_one
def test_without_a_cloud_the_cloud_net_runs_on_the_edge(edge, policy):
    edge.tell(0, ev.CloudGone, "cut")
    assert edge.submit(1, "a", 84, policy=policy) == [
        deadline_timer("a", 85),
        StartLocal("a", "exit4"),
    ]
    assert edge.local_done(63, "a") == [
        no_deadline("a"),
        succeeded("a", Site.EDGE, exit="exit4", expected_accuracy=0.94, latency_ns=ns(62)),
    ]
    assert edge.scored(Predictor.LOCAL).mean_ns == ns(62)


@every_one
def test_an_image_that_must_not_leave_does_not(edge, policy):
    edge.submit(0, "a", 84, policy=policy, privacy=Privacy.EDGE_ONLY, payload_bytes={})
    assert edge.entry("a").net.exit == "exit4"


@every_one
def test_private_data_is_sent_only_by_the_features_codec(edge, policy):
    actions = edge.submit(
        0, "a", 84, policy=policy, privacy=Privacy.FEATURES, payload_bytes=BOTH_PAYLOADS, **FAST
    )
    assert actions == [deadline_timer("a", 84), Encode("a", "features")]


@every_one
def test_other_tasks_wait_for_the_end_of_the_cloud_net_on_the_edge(edge, policy):
    edge.tell(0, ev.CloudGone, "cut")
    edge.submit(0, "a", 200, policy=policy)
    edge.submit(10, "b", 200, policy="edge-only")
    assert edge.outcomes["b"] == []
    assert edge.machine._forecast.local.residual_ns(edge.now_ns) == ns(52)
    assert StartLocal("b") in edge.local_done(62, "a")
    assert edge.local_done(82, "b")[-1] == succeeded("b", Site.EDGE, latency_ns=ns(72))
    assert edge.scored(Predictor.EDGE_TOTAL).mean_ns == ns(72)


def test_edgent_takes_the_exit_that_is_in_time_on_the_device(edge):
    edge.tell(0, ev.CloudGone, "cut")
    assert StartLocal("a", "exit2") in edge.submit(1, "a", 40, policy="edgent")
    assert edge.local_done(39, "a")[-1] == succeeded("a", Site.EDGE, expected_accuracy=0.83)


def test_an_exit_that_is_not_good_enough_is_a_failure(edge):
    """Edgent ignores the QoR."""
    edge.tell(0, ev.CloudGone, "cut")
    edge.submit(1, "a", 40, policy="edgent", accuracy=0.9)
    assert edge.local_done(39, "a")[-1] == failed("a", site=Site.EDGE, exit="exit2")


@every_one
def test_a_client_that_leaves_stops_the_cloud_net_on_the_edge(edge, policy):
    edge.tell(0, ev.CloudGone, "cut")
    edge.submit(1, "a", 84, policy=policy)
    assert AbortLocal("a") in edge.tell(20, ev.ClientGone, "a")
    edge.wind_up()


@every_one
def test_a_bundle_without_splits_is_refused_with_the_remedy(policy):
    edge = ScriptedEdge(replace(EVERY_POLICY_LOCAL, cloud_net=None), PARTITIONED)
    edge.submit(0, "a", 84, policy=policy)
    assert "mc-sched evaluate BUNDLE --for-policies" in edge.outcome("a").reason


# --- other policies ----------------------------------------------------------------------------


@pytest.mark.parametrize("policy", sorted(POLICIES.keys() - PARTITIONERS))
def test_other_policies_see_no_split(edge, policy):
    view = edge.machine.view(task("a", 0, 84, policy=policy), at(0))
    assert {option.codec for option in view.cloud} == {"jpeg"}
