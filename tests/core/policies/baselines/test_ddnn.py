"""DDNN in events and actions: the local net first, then the cloud if it is not sure."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import AbortLocal, Encode, SendGiveUp, StartLocal
from mc_sched.core.task import ExitRule, Prediction, Privacy, Site
from tests.core.round_figures import (
    ANSWER,
    BOTH_PAYLOADS,
    EVERY_POLICY_LOCAL,
    PARTITIONED,
    UNSURE,
    ns,
)
from tests.core.scripted_edge import (
    ScriptedEdge,
    deadline_timer,
    failed,
    late,
    no_deadline,
    sent,
    succeeded,
)

DDNN = {"policy": "ddnn", "accuracy": 0.85}
"""The threshold is 0.5: the largest that reaches 0.85, and with a JPEG it reaches 0.86."""


@pytest.fixture
def edge():
    return ScriptedEdge(EVERY_POLICY_LOCAL, PARTITIONED)


def unsure(edge, ms, task_id="a"):
    return edge.tell(ms, ev.LocalDone, task_id, UNSURE)


# --- the rule ---------------------------------------------------------------------------------


def test_the_local_net_runs_first_whatever_the_mode(edge):
    assert edge.submit(0, "a", 84, **DDNN) == [deadline_timer("a", 84), StartLocal("a")]


def test_a_sure_answer_is_the_outcome_with_the_accuracy_of_the_threshold(edge):
    edge.submit(0, "a", 84, **DDNN)
    assert edge.local_done(20, "a") == [
        no_deadline("a"),
        succeeded("a", Site.EDGE, exit="local", prediction=ANSWER, expected_accuracy=0.86),
    ]


def test_an_answer_exactly_at_the_threshold_is_kept(edge):
    edge.submit(0, "a", 84, **DDNN)
    at_threshold = Prediction(ANSWER.top, entropy=0.5)
    assert edge.tell(20, ev.LocalDone, "a", at_threshold)[-1] == succeeded("a", Site.EDGE)


def test_an_unsure_answer_sends_the_image_through_the_whole_cloud_net(edge):
    edge.submit(0, "a", 84, **DDNN)
    assert unsure(edge, 20) == [sent("a", 84 - 20 - 5, 0.94, ExitRule.EARLIEST)]
    edge.accepted(40, "a", "exit4")
    assert edge.replied(61, "a", "exit4")[-1] == succeeded(
        "a", Site.CLOUD, exit="exit4", latency_ns=ns(61), expected_accuracy=0.86
    )


def test_both_runs_cost_joules(edge):
    edge.submit(0, "a", 84, **DDNN)
    unsure(edge, 20)
    edge.accepted(40, "a", "exit4")
    edge.replied(61, "a", "exit4")
    energy = edge.outcome("a").energy
    assert energy.compute_j == pytest.approx(7.0 * 0.020)
    assert energy.radio_up_j > 0


def test_it_ignores_the_deadline_and_may_be_late(edge):
    edge.submit(0, "a", 30, **DDNN)
    assert unsure(edge, 20) == [sent("a", 30 - 20 - 5, 0.94, ExitRule.EARLIEST)]
    assert edge.deadline_fires(30, "a") == [SendGiveUp("a"), late("a", site=None)]


def test_if_no_threshold_reaches_the_qor_the_best_one_is_used_and_fails(edge):
    edge.submit(0, "a", 84, policy="ddnn", accuracy=0.99)
    unsure(edge, 20)
    edge.accepted(40, "a", "exit4")
    assert edge.replied(61, "a", "exit4")[-1] == failed(
        "a", site=Site.CLOUD, expected_accuracy=0.94
    )


def test_a_bundle_without_its_tables_is_refused_with_the_remedy():
    edge = ScriptedEdge(replace(EVERY_POLICY_LOCAL, thresholds=()), PARTITIONED)
    edge.submit(0, "a", 84, **DDNN)
    assert "mc-sched evaluate BUNDLE --for-policies" in edge.outcome("a").reason


# --- privacy ----------------------------------------------------------------------------------


def test_private_data_is_sent_by_features_at_their_accuracy(edge):
    edge.submit(0, "a", 150, privacy=Privacy.FEATURES, payload_bytes=BOTH_PAYLOADS, **DDNN)
    assert unsure(edge, 20) == [Encode("a", "features")]
    assert edge.encoded(25, "a") == [
        sent("a", 150 - 25 - 5, 0.92, ExitRule.EARLIEST, codec="features")
    ]
    edge.accepted(45, "a", "exit4")
    assert edge.replied(61, "a", "exit4")[-1] == succeeded("a", Site.CLOUD, expected_accuracy=0.85)


def test_an_image_that_must_not_leave_is_answered_by_the_local_net(edge):
    edge.submit(0, "a", 84, policy="ddnn", accuracy=0.75, privacy=Privacy.EDGE_ONLY)
    assert unsure(edge, 20)[-1] == succeeded("a", Site.EDGE, expected_accuracy=0.80)


# --- the cloud cannot be used-------------------------------------------------------------------


def test_without_a_cloud_the_local_net_answers_everything(edge):
    edge.tell(0, ev.CloudGone, "cut")
    edge.submit(1, "a", 84, policy="ddnn", accuracy=0.75)
    assert unsure(edge, 21)[-1] == succeeded("a", Site.EDGE, expected_accuracy=0.80)


def test_if_the_cloud_is_lost_the_unsure_answer_stands_with_its_own_accuracy(edge):
    edge.submit(0, "a", 84, **DDNN)
    edge.tell(10, ev.CloudGone, "cut")
    assert unsure(edge, 20) == [
        no_deadline("a"),
        failed("a", site=Site.EDGE, prediction=UNSURE, expected_accuracy=0.50),
    ]


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (ev.CloudRefused, ("full",)),
        (ev.CloudStopped, ("too slow",)),
        (ev.CloudLost, ("cut",)),
    ],
)
def test_if_the_call_ends_without_an_answer_the_unsure_answer_stands(edge, event, fields):
    edge.submit(0, "a", 84, policy="ddnn", accuracy=0.86)
    unsure(edge, 20)
    assert edge.tell(30, event, "a", *fields)[-1] == failed("a", prediction=UNSURE)


def test_if_the_cloud_is_lost_while_the_image_waits_the_unsure_answer_stands(edge):
    edge = ScriptedEdge(EVERY_POLICY_LOCAL, PARTITIONED, max_uploads=1)
    edge.submit(0, "x", 84, policy="server")
    edge.submit(1, "a", 84, **DDNN)
    assert unsure(edge, 21) == []
    assert edge.tell(22, ev.CloudGone, "cut")[-1] == failed("a", prediction=UNSURE)


# --- others, and ends -------------------------------------------------------------------------


def test_the_local_net_is_free_for_the_next_while_the_first_is_in_the_cloud(edge):
    edge.submit(0, "a", 84, **DDNN)
    edge.submit(1, "b", 84, **DDNN)
    assert StartLocal("b") in unsure(edge, 20)


def test_a_client_that_leaves_stops_either_half(edge):
    edge.submit(0, "a", 84, **DDNN)
    assert AbortLocal("a") in edge.tell(5, ev.ClientGone, "a")
    edge.tell(6, ev.LocalAborted, "a")
    edge.submit(10, "b", 84, **DDNN)
    unsure(edge, 30, "b")
    assert SendGiveUp("b") in edge.tell(35, ev.ClientGone, "b")
    edge.wind_up()


def test_a_second_submission_of_a_waiting_id_is_an_error_of_the_caller(edge):
    edge.submit(0, "a", 84, **DDNN)
    unsure(edge, 20)
    edge.deadline_fires(84, "a")
    edge.submit(85, "a", 84, **DDNN)
    assert "still being stopped" in edge.outcome("a").reason
