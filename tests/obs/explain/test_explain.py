"""Explanations of tasks, from the log of an edge machine driven by hand."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.errors import UserError
from mc_sched.obs.explain.choices import why
from mc_sched.obs.log.moments import CloudStory, Moment
from tests.core.round_figures import EVERY_POLICY_LOCAL, MS, PARTITIONED, UNSURE, at
from tests.obs.logged_edge import LoggedEdge


@pytest.fixture
def edge():
    return LoggedEdge()


def test_a_task_that_was_answered_in_time(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    moments = (Moment("Received", 10 * MS, 10 * MS, "jpeg"), Moment("Accept", 10 * MS, 0, "exit1"),
               Moment("StageDone", 14 * MS, 4 * MS, "stage 0"))  # fmt: skip
    edge.replied(29, "a")
    edge.report_story(CloudStory("a", moments))
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"], found["latency_ms"]) == ("succeeded", "cloud", 29.0)
    assert found["cause"] == "it was offloaded, and the cloud answered in time"
    assert found["faithful"]
    assert "both sites could serve it, and the cloud costs fewer joules" in found["chosen"]
    assert found["predicted"][0].startswith("the edge: 20.0 ms, at most 20.0 ms, accuracy 0.800")
    assert "the cloud, jpeg to exit1: 29.0 ms, at most 29.0 ms" in found["predicted"][2]
    assert found["worst"] is None
    # its call reached the cloud (20 - 10) / 2 ms after it was sent
    assert {"at_ms": 19.0, "what": "cloud: stage 0 done (4.0 ms)"} in found["timeline"]
    run_locally = found["alternatives"][
        "mc in performance mode, mc-paper in performance mode, edge-only"
    ]
    assert run_locally == "run it locally, expected 20.0 ms, at most 20.0 ms"


def test_an_offload_that_fits_by_its_mean_only_names_the_fallback(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    found = edge.explain("a")
    assert found.choices is not None
    spread = tuple(replace(option, upper_ns=200 * MS) for option in found.choices.view.cloud)
    unsure = replace(found.choices, view=replace(found.choices.view, cloud=spread))
    assert why(found.story, unsure).startswith(
        "the edge can fall back in time, and the cloud costs fewer joules"
    )


def test_a_task_that_was_refused(edge):
    edge.submit(0, "a", 15)
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "it was refused on arrival: edge needs 20.0 ms, 15.0 ms are left: 5.0 ms too long; "
        "cloud needs 29.0 ms, 15.0 ms are left: 14.0 ms too long"
    )
    assert found["faithful"]
    assert found["chosen"].startswith("to refuse it: edge needs 20.0 ms")
    assert "server" in found["alternatives"]


def test_a_task_whose_upload_hung_and_that_fell_back(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(81, "a")
    edge.tell(82, ev.CloudStopped, "a", "the upload was stopped")
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "edge")
    assert found["cause"] == (
        "it fell back to the local net: the answer was overdue; "
        "its upload began after 0.0 ms and was not accepted by the cloud within 60.0 ms; "
        "the offload had not ended after 60.00 ms, forecast 29.00 ms, at most 29.00 ms"
    )


def test_a_task_that_the_cloud_answered_during_the_fallback(edge):
    edge.submit(0, "late", 43)
    edge.deadline_fires(43, "late")
    edge.submit(100, "a", 43)
    edge.fallback_fires(119, "a")
    edge.accepted(125, "a")
    edge.replied(134, "a")
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "cloud")
    assert found["cause"] == (
        "the cloud answered while the fallback ran on the edge: the answer was overdue; "
        "its upload began after 0.0 ms and was not accepted by the cloud within 19.0 ms"
    )


def test_a_task_that_the_cloud_lost(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.tell(25, ev.CloudLost, "a", "connection reset")
    edge.local_done(45, "a")
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "it fell back to the local net: the session was lost: connection reset"
    )


def test_a_task_that_was_given_up_at_its_deadline(edge):
    """Only the cloud could serve it, and the link goes."""
    edge.submit(0, "a", 84, accuracy=0.9)
    edge.accepted(20, "a", "exit3")
    edge.deadline_fires(84, "a")
    edge.tell(90, ev.CloudGone, "no answer to probes")
    found = edge.explain("a").as_object()
    assert found["outcome"] == "late"
    assert found["cause"] == (
        "it was late: the answer was overdue; the cloud had accepted it after 20.0 ms and not "
        "answered after 84.0 ms; the offload had not ended after 84.00 ms, forecast "
        "37.00 ms, at most 37.00 ms; the link was down: no answer to probes"
    )
    assert "only the cloud could serve it: edge reaches accuracy 0.800" in found["chosen"]


def test_a_task_that_the_local_net_made_late(edge):
    edge.submit(0, "a", 30, policy="edge-only")
    edge.tell(2, ev.LocalStarted, "a")
    edge.deadline_fires(30, "a")
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "it was late: the local net started after 2.0 ms and had run for 28.0 ms"
    )


def test_a_task_whose_net_never_began(edge):
    """As while it is being loaded: a request does not mean that it ran."""
    edge.submit(0, "a", 30, policy="edge-only")
    edge.submit(1, "b", 28, policy="edge-only")
    edge.deadline_fires(30, "a")
    edge.tell(40, ev.LocalStarted, "a")
    assert edge.explain("a").as_object()["cause"] == (
        "it was late: the local net was requested but had not started after 30.0 ms"
    )


# --- the local net first ----------------------------------------------------------------------


@pytest.fixture
def first():
    """An edge that has the figures of every policy."""
    return LoggedEdge(EVERY_POLICY_LOCAL, PARTITIONED)


def unsure(edge, ms, task_id):
    edge.tell(ms, ev.LocalDone, task_id, UNSURE)


def test_an_unsure_answer_that_the_cloud_corrects_is_no_fallback(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.replied(60, "a", "exit4")
    found = first.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "cloud")
    assert found["cause"] == "the local net was not confident, and the cloud answered in time"
    assert "offload it if the local net is not confident (30% of all images)" in found["chosen"]


def test_an_unsure_answer_with_no_cloud_left_to_ask(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    first.tell(10, ev.CloudGone, "cut")
    unsure(first, 20, "a")
    found = first.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("failed", "edge")
    assert found["cause"].startswith(
        "it failed: the local net was not confident, and there was no time or no link "
        "left for an offload; expected accuracy"
    )


def test_an_unsure_answer_that_stands_as_the_cloud_is_lost(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.tell(45, ev.CloudLost, "a", "connection reset")
    found = first.explain("a").as_object()
    assert found["outcome"] == "failed"
    assert "the offload failed: the session was lost: connection reset" in found["cause"]


def test_an_unsure_answer_that_the_cloud_would_correct_too_late(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.deadline_fires(84, "a")
    cause = first.explain("a").as_object()["cause"]
    assert "the local net was not confident" in cause
    assert "the cloud had accepted it after 40.0 ms and not answered after 84.0 ms" in cause


def test_the_forecast_that_was_exceeded_by_most_is_named(edge):
    edge.submit(0, "a", 84)
    edge.accepted(55, "a")
    edge.replied(64, "a")
    found = edge.explain("a").as_object()
    assert found["worst"].startswith("the upload took 55.00 ms, forecast 20.00 ms")
    assert "more than expected: the upload" in str(found["timeline"])
    assert "worst    the upload took 55.00 ms" in edge.explain("a").text()


def test_the_time_for_the_way_back_is_named(edge):
    edge.submit(0, "a", 84, policy="edge-only", return_ns=2 * MS)
    edge.local_done(20, "a")
    wanted = "an answer within 84.0 ms, 2.0 ms of them for its return to the client, "
    assert edge.explain("a").as_object()["request"].startswith(wanted)


def test_a_second_attempt_is_a_task_of_its_own(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    edge.local_done(20, "a")
    edge.unsatisfied(100, "a", "a+1", 84, accuracy=0.78)
    edge.accepted(120, "a+1", "exit2")
    edge.replied(133, "a+1", "exit2")
    found = edge.explain("a+1").as_object()
    assert found["timeline"][0]["what"].startswith("submitted again")
    assert "at accuracy 0.830" in found["request"]
    assert "only the cloud could serve it" in found["chosen"]


def test_a_log_that_lacks_the_beginning(edge):
    with pytest.raises(UserError, match=r"holds the beginning of this task; .* in its outcome"):
        edge.explain("nobody")


def test_a_log_without_its_config_still_explains_what_happened(edge):
    edge.submit(0, "a", 15)
    edge.lines = [record for record in edge.lines if record["kind"] != "config"]
    found = edge.explain("a").as_object()
    assert found["chosen"] is None
    assert found["cause"].startswith("it was refused on arrival")
    assert edge.explain("a").text().startswith("task a: refused after 0.0 ms")


def test_a_broken_link_is_left_out_of_the_story_of_a_task_that_ran_locally(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    edge.tell(5, ev.CloudGone, "cut")
    edge.local_done(20, "a")
    assert "link down" not in edge.explain("a").text()


def test_an_event_far_from_any_task_is_no_part_of_the_story(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    edge.handle(ev.CloudGone(at(30), "cut"))
    assert "link down" not in edge.explain("a").text().replace("cut", "")


def test_a_task_that_is_tried_although_no_site_is_certain(edge):
    """The upload's prior is pessimistic, and a refusal would not improve it."""
    for number, up_ms in enumerate((60, 10, 60, 10)):
        at_ms = 200 * number
        edge.submit(at_ms, f"x{number}", 150, policy="server", accuracy=0.0)
        edge.accepted(at_ms + up_ms + 10, f"x{number}", "exit4")
        edge.replied(at_ms + up_ms + 31, f"x{number}", "exit4")
    edge.submit(1000, "a", 84, accuracy=0.9)
    found = edge.explain("a").as_object()
    assert found["faithful"]
    assert found["chosen"] == (
        "to offload it as jpeg, with an answer at exit3, expected 44.6 ms, at most 87.0 ms; "
        "no site is certain to serve it, so an idle one is tried: edge reaches accuracy "
        "0.800, 0.900 is required; cloud needs 87.0 ms, 84.0 ms are left: 3.0 ms too long"
    )
    edge.submit(1001, "b", 40, accuracy=0.9)
    assert edge.explain("b").as_object()["chosen"].endswith("too long; no site could serve it")


def test_a_reload_counts(edge):
    edge.handle(ev.EdgeReconfigured(at(0), replace(edge.machine._settings, policy="edge-only")))
    edge.submit(10, "a", 84)
    edge.local_done(30, "a")
    found = edge.explain("a").as_object()
    assert "by policy edge-only in energy mode" in found["request"]
    assert found["faithful"]
