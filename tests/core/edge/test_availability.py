"""Algorithm I, steps 2 and 3: which site can serve a task, to the nanosecond, and refusals."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import StartLocal
from mc_sched.core.task import OutcomeKind, Privacy, Site
from tests.core.round_figures import ANSWER, CLOUD, at, ns
from tests.core.scripted_edge import Ended, deadline_timer, fallback_timer, refused, sent, task

NANOSECOND = 1e-6


# --- the edge alone -------------------------------------------------------------------------


def test_the_edge_serves_a_task_whose_deadline_is_its_predicted_time(make_edge):
    edge = make_edge(cloud=None)
    assert edge.submit(0, "a", 20) == [deadline_timer("a", 20), StartLocal("a")]


def test_a_nanosecond_less_is_refused(make_edge):
    edge = make_edge(cloud=None)
    assert edge.submit(0, "a", 20 - NANOSECOND) == [refused("a", latency_ns=0)]


def test_the_edge_serves_a_task_of_exactly_its_accuracy(make_edge):
    edge = make_edge(cloud=None)
    assert edge.submit(0, "a", 84, accuracy=0.80) == [deadline_timer("a", 84), StartLocal("a")]


def test_more_accuracy_than_the_local_net_has_is_refused(make_edge):
    edge = make_edge(cloud=None)
    assert edge.submit(0, "a", 84, accuracy=0.801) == [refused("a")]


def test_the_deadline_counts_from_submission_not_from_the_decision(make_edge):
    edge = make_edge(cloud=None)
    decoded_late = ev.Submitted(at(5), task("a", 0, 24))
    assert edge.handle(decoded_late) == [refused("a", latency_ns=ns(5))]


def test_a_task_that_arrives_after_its_deadline_is_refused(make_edge):
    edge = make_edge(cloud=None)
    assert edge.handle(ev.Submitted(at(25), task("a", 0, 20))) == [refused("a")]


def test_times_are_the_upper_quantile_of_recent_samples(make_edge):
    edge = make_edge(cloud=None)
    edge.submit(0, "slow", 84)
    edge.local_done(40, "slow")  # twice the profile, once in five
    edge.submit(50, "running", 84)
    assert edge.submit(50, "a", 64) == [refused("a")]  # 24.6 left, on the mean, and 40
    assert edge.submit(50, "b", 65) == [deadline_timer("b", 115)]


def test_a_free_device_accepts_a_task_whose_mean_time_fits(make_edge):
    edge = make_edge(cloud=None)
    edge.submit(0, "slow", 84)
    edge.local_done(40, "slow")
    assert edge.submit(50, "a", 24) == [refused("a")]
    assert edge.submit(50, "b", 25) == [deadline_timer("b", 75), StartLocal("b")]


def test_mc_paper_decides_by_the_mean(make_edge):
    edge = make_edge(cloud=None)
    edge.submit(0, "slow", 84)
    edge.local_done(40, "slow")  # the mean of five runs is now 24.6 ms
    assert edge.submit(50, "a", 24.5, policy="mc-paper") == [refused("a")]
    assert edge.submit(50, "b", 25, policy="mc-paper") == [deadline_timer("b", 75), StartLocal("b")]


# --- the cloud alone: the local net is not accurate enough --------------------------


@pytest.mark.parametrize(
    ("accuracy", "needed_ms"),
    [(0.801, 33), (0.83, 33), (0.831, 37), (0.91, 37), (0.92, 41), (0.94, 41)],
)
def test_the_cloud_serves_what_an_exit_reaches_in_time(make_edge, accuracy, needed_ms):
    """Upload, round trip, and the path to the first exit that is accurate enough."""
    edge = make_edge()
    assert edge.submit(0, "a", needed_ms - NANOSECOND, accuracy=accuracy) == [refused("a")]
    assert edge.submit(0, "b", needed_ms, accuracy=accuracy) == [
        deadline_timer("b", needed_ms),
        sent("b", budget=needed_ms - 5, accuracy=accuracy),
    ]


def test_an_exit_needs_an_accuracy_for_the_codec_in_use(make_edge):
    """The exits' only column is jpeg: a payload under another codec reaches nothing."""
    edge = make_edge()
    assert edge.submit(0, "a", 84, accuracy=0.9, payload_bytes={"features": 10_000}) == [
        refused("a")
    ]


def test_a_bigger_image_takes_longer_to_upload(make_edge):
    edge = make_edge()
    big = {"jpeg": 30_000}
    assert edge.submit(0, "a", 56, accuracy=0.9, payload_bytes=big) == [refused("a")]
    assert edge.submit(0, "b", 57, accuracy=0.9, payload_bytes=big) == [
        deadline_timer("b", 57),
        sent("b", budget=52, accuracy=0.9),
    ]


def test_work_that_waits_in_the_cloud_adds_to_the_predicted_time(edge):
    edge.tell(0, ev.LinkSampled, ns(10), ns(8), 1.0)
    assert edge.submit(0, "a", 44, accuracy=0.9) == [refused("a")]
    assert edge.submit(0, "b", 45, accuracy=0.9)[-1] == sent("b", budget=40, accuracy=0.9)


def test_the_session_reports_the_work_that_waits_in_the_cloud(edge):
    edge.tell(0, ev.CloudLoadSampled, ns(8), 1.0)
    assert edge.submit(0, "a", 44, accuracy=0.9) == [refused("a")]
    assert edge.submit(0, "b", 45, accuracy=0.9)[-1] == sent("b", budget=40, accuracy=0.9)


def test_a_reply_also_reports_the_work_that_waits_in_the_cloud(edge):
    edge.submit(0, "a", 84, accuracy=0.9)
    edge.accepted(20, "a", "exit3")
    edge.replied(37, "a", "exit3", compute=17, queue=8)
    assert edge.submit(40, "b", 44, accuracy=0.9) == [refused("b")]


def test_a_slow_round_trip_adds_to_the_predicted_time(edge):
    edge.tell(0, ev.LinkSampled, ns(30))  # the mean of five probes is now 14 ms
    assert edge.submit(0, "a", 40, accuracy=0.9) == [refused("a")]
    assert edge.submit(0, "b", 41, accuracy=0.9)[0] == deadline_timer("b", 41)


def test_an_unknown_link_is_forecast_by_its_prior(make_edge):
    """Mean of 4 Mbps and 30 ms until something was measured: 20 + 30 + 17 = 67 ms."""
    edge = make_edge(warmed_up=False)
    edge.tell(0, ev.CloudFound, CLOUD)
    assert edge.submit(0, "a", 66.9, accuracy=0.9) == [refused("a")]
    assert edge.submit(0, "b", 67.1, accuracy=0.9)[0] == deadline_timer("b", 67.1)


def test_a_link_that_was_not_used_for_some_seconds_is_unknown_again(edge):
    assert edge.submit(0, "a", 60, accuracy=0.9)[0] == deadline_timer("a", 60)
    edge.accepted(20, "a", "exit3")
    edge.replied(37, "a", "exit3")
    assert edge.submit(11_000, "b", 60, accuracy=0.9) == [refused("b")]


# --- refusals name the constraint that failed, and by how much ------------------------------------


def reason(edge, deadline, **fields):
    (action,) = edge.submit(0, "a", deadline, **fields)
    assert action == Ended("a", OutcomeKind.REFUSED, site=None, exit=None, predicted_ns=None)
    return edge.outcome("a").reason


def test_both_sites_too_slow(edge):
    assert reason(edge, 15) == (
        "edge needs 20.0 ms, 15.0 ms are left: 5.0 ms too long; "
        "cloud needs 29.0 ms, 15.0 ms are left: 14.0 ms too long"
    )


def test_both_sites_not_accurate_enough(edge):
    assert reason(edge, 84, accuracy=0.95) == (
        "edge reaches accuracy 0.800, 0.950 is required; "
        "cloud reaches accuracy 0.940, 0.950 is required"
    )


def test_the_edge_not_accurate_enough_the_cloud_too_slow(edge):
    assert reason(edge, 30, accuracy=0.9) == (
        "edge reaches accuracy 0.800, 0.900 is required; "
        "cloud needs 37.0 ms, 30.0 ms are left: 7.0 ms too long"
    )


def test_the_edge_too_slow_the_cloud_not_allowed(edge):
    assert reason(edge, 15, privacy=Privacy.EDGE_ONLY) == (
        "edge needs 20.0 ms, 15.0 ms are left: 5.0 ms too long; "
        "cloud is not allowed by the stream's privacy setting"
    )


def test_no_cloud_agent(make_edge):
    edge = make_edge(cloud=None)
    assert reason(edge, 15) == (
        "edge needs 20.0 ms, 15.0 ms are left: 5.0 ms too long; cloud is not reachable"
    )


def test_a_cloud_agent_that_left(edge):
    edge.tell(0, ev.CloudGone, "the cloud agent is shutting down")
    assert reason(edge, 15).endswith("; cloud is not reachable")


def test_a_refusal_reports_the_required_accuracy(edge):
    reason(edge, 84, accuracy=0.95)
    assert edge.outcome("a").required_accuracy == 0.95


# --- what is predicted at the decision --------------------------------------------------------


def test_the_outcome_carries_the_time_predicted_for_the_edge(make_edge):
    edge = make_edge(cloud=None)
    edge.handle(ev.Submitted(at(3), task("a", 0, 84)))
    edge.tell(23, ev.LocalDone, "a", ANSWER)
    assert edge.outcome("a").predicted_ns == edge.outcome("a").latency_ns == ns(23)


def test_the_outcome_carries_the_time_predicted_for_the_cloud(edge):
    edge.handle(ev.Submitted(at(3), task("a", 0, 84)))
    edge.accepted(23, "a")
    edge.replied(32, "a")
    assert edge.outcome("a").predicted_ns == edge.outcome("a").latency_ns == ns(32)
    assert edge.outcome("a").site is Site.CLOUD


def test_an_offloaded_task_that_the_edge_can_serve_too_gets_a_fallback_timer(edge):
    assert edge.submit(0, "a", 84) == [
        deadline_timer("a", 84),
        fallback_timer("a", 60),
        sent("a", budget=84 - 5, reply_in=60 - 5),
    ]
