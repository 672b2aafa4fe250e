"""What is said of a task, from a log that an edge machine driven by hand has written."""

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
    moments = (Moment("Arrived", 10 * MS, 10 * MS, "jpeg"), Moment("Accept", 10 * MS, 0, "exit1"),
               Moment("StageDone", 14 * MS, 4 * MS, "stage 0"))  # fmt: skip
    edge.replied(29, "a")
    edge.told(CloudStory("a", moments))
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"], found["latency_ms"]) == ("succeeded", "cloud", 29.0)
    assert found["cause"] == "it was answered in time, where it was sent"
    assert found["faithful"]
    assert "both sites could serve it, and the cloud costs fewer joules" in found["chosen"]
    assert found["predicted"][0].startswith("the edge: 20.0 ms, at most 20.0 ms, accuracy 0.800")
    assert "the cloud, jpeg to exit1: 29.0 ms, at most 29.0 ms" in found["predicted"][2]
    assert found["worst"] is None
    # its call was there half of (20 - 10) ms after it was sent
    assert {"at_ms": 19.0, "what": "cloud: stage 0 done (4.0 ms)"} in found["timeline"]
    run_locally = found["otherwise"][
        "mc in performance mode, mc-paper in performance mode, edge-only"
    ]
    assert run_locally == "run it on the edge, in 20.0 ms, at most 20.0 ms"


def test_an_offload_that_only_its_mean_speaks_for_says_what_makes_it_safe(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    found = edge.explain("a")
    assert found.choices is not None
    spread = tuple(replace(option, upper_ns=200 * MS) for option in found.choices.view.cloud)
    unsure = replace(found.choices, view=replace(found.choices.view, cloud=spread))
    assert why(found.story, unsure).startswith(
        "the edge can take it back in time, and the cloud costs fewer joules"
    )


def test_a_task_that_was_refused(edge):
    edge.submit(0, "a", 15)
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "it was refused when it came: edge needs 20.0 ms, 15.0 ms are left: 5.0 ms too long; "
        "cloud needs 29.0 ms, 15.0 ms are left: 14.0 ms too long"
    )
    assert found["faithful"]
    assert found["chosen"].startswith("to refuse it: edge needs 20.0 ms")
    assert "server" in found["otherwise"]


def test_a_task_whose_upload_hung_and_was_taken_back(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(81, "a")
    edge.tell(82, ev.CloudStopped, "a", "the upload was stopped")
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "edge")
    assert found["cause"] == (
        "the edge took it back from the cloud: the answer was overdue; "
        "its upload began after 0.0 ms and had not arrived after 60.0 ms; "
        "cloud_total had not ended after 60.00 ms, expected were 29.00 and at most 29.00"
    )


def test_a_task_whose_answer_came_while_the_edge_ran_it_too(edge):
    edge.submit(0, "late", 43)
    edge.deadline_fires(43, "late")
    edge.submit(100, "a", 43)
    edge.fallback_fires(119, "a")
    edge.accepted(125, "a")
    edge.replied(134, "a")
    found = edge.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "cloud")
    assert found["cause"] == (
        "the cloud's answer came while the edge ran it, too: it was overdue by then; "
        "its upload began after 0.0 ms and had not arrived after 19.0 ms"
    )


def test_a_task_that_the_cloud_lost(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.tell(25, ev.CloudLost, "a", "connection reset")
    edge.local_done(45, "a")
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "the edge took it back from the cloud: the call was lost: connection reset"
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
        "it was late: the answer was overdue; the cloud had it after 20.0 ms and had not answered "
        "after 84.0 ms; cloud_total had not ended after 84.00 ms, expected were 37.00 and at most "
        "37.00; the link was down: no answer to probes"
    )
    assert "only the cloud could serve it: edge reaches accuracy 0.800" in found["chosen"]


def test_a_task_that_the_local_net_made_late(edge):
    edge.submit(0, "a", 30, policy="edge-only")
    edge.tell(2, ev.LocalStarted, "a")
    edge.deadline_fires(30, "a")
    found = edge.explain("a").as_object()
    assert found["cause"] == (
        "it was late: the local net began after 2.0 ms and had run for 28.0 ms"
    )


def test_a_task_whose_net_never_began(edge):
    """As while it is being loaded; that it was asked for is no sign that it ran."""
    edge.submit(0, "a", 30, policy="edge-only")
    edge.submit(1, "b", 28, policy="edge-only")
    edge.deadline_fires(30, "a")
    edge.tell(40, ev.LocalStarted, "a")
    assert edge.explain("a").as_object()["cause"] == (
        "it was late: the local net was asked for it and had not begun after 30.0 ms"
    )


# --- the local net first ----------------------------------------------------------------------


@pytest.fixture
def first():
    """An edge that has the figures of every policy."""
    return LoggedEdge(EVERY_POLICY_LOCAL, PARTITIONED)


def unsure(edge, ms, task_id):
    edge.tell(ms, ev.LocalDone, task_id, UNSURE)


def test_an_unsure_answer_that_the_cloud_mends_is_not_taken_back(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.replied(60, "a", "exit4")
    found = first.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("succeeded", "cloud")
    assert found["cause"] == (
        "the local net was not sure of its answer, and the cloud's came in time"
    )
    assert "send it to the cloud if that is not sure, as 30% are not" in found["chosen"]


def test_an_unsure_answer_with_no_cloud_left_to_ask(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    first.tell(10, ev.CloudGone, "cut")
    unsure(first, 20, "a")
    found = first.explain("a").as_object()
    assert (found["outcome"], found["site"]) == ("failed", "edge")
    assert found["cause"].startswith(
        "it failed: the local net was not sure of its answer, and there was no time or no link "
        "left to ask the cloud; expected accuracy"
    )


def test_an_unsure_answer_that_stands_as_the_cloud_is_lost(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.tell(45, ev.CloudLost, "a", "connection reset")
    found = first.explain("a").as_object()
    assert found["outcome"] == "failed"
    assert "the cloud did not help: the call was lost: connection reset" in found["cause"]


def test_an_unsure_answer_that_the_cloud_would_mend_too_late(first):
    first.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    unsure(first, 20, "a")
    first.accepted(40, "a", "exit4")
    first.deadline_fires(84, "a")
    cause = first.explain("a").as_object()["cause"]
    assert "the local net was not sure of its answer" in cause
    assert "the cloud had it after 40.0 ms and had not answered after 84.0 ms" in cause


def test_the_forecast_that_was_off_is_named(edge):
    edge.submit(0, "a", 84)
    edge.accepted(55, "a")
    edge.replied(64, "a")
    found = edge.explain("a").as_object()
    assert found["worst"].startswith("transfer_up took 55.00 ms, expected were 20.00")
    assert "more than expected: transfer_up" in str(found["timeline"])
    assert "off      transfer_up took 55.00 ms" in edge.explain("a").text()


def test_a_second_try_is_a_task_of_its_own(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    edge.local_done(20, "a")
    edge.unsatisfied(100, "a", "a+1", 84, accuracy=0.78)
    edge.accepted(120, "a+1", "exit2")
    edge.replied(133, "a+1", "exit2")
    found = edge.explain("a+1").as_object()
    assert found["timeline"][0]["what"].startswith("submitted again")
    assert "at accuracy 0.830" in found["asked"]
    assert "only the cloud could serve it" in found["chosen"]


def test_a_log_that_lacks_the_beginning(edge):
    with pytest.raises(UserError, match="no edge's log here holds the beginning"):
        edge.explain("nobody")


def test_a_log_without_its_config_still_tells_what_happened(edge):
    edge.submit(0, "a", 15)
    edge.lines = [record for record in edge.lines if record["kind"] != "config"]
    found = edge.explain("a").as_object()
    assert found["chosen"] is None
    assert found["cause"].startswith("it was refused when it came")
    assert edge.explain("a").text().startswith("task a: refused after 0.0 ms")


def test_a_link_that_breaks_is_no_matter_of_a_task_that_was_served_here(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    edge.tell(5, ev.CloudGone, "cut")
    edge.local_done(20, "a")
    assert "link is down" not in edge.explain("a").text()


def test_an_event_far_from_any_task_is_no_part_of_the_story(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    edge.handle(ev.CloudGone(at(30), "cut"))
    assert "link is down" not in edge.explain("a").text().replace("cut", "")


def test_a_task_that_is_tried_though_no_site_is_sure(edge):
    """The upload's prior is careful, a refusal would teach nothing."""
    for number, up_ms in enumerate((60, 10, 60, 10)):
        at_ms = 200 * number
        edge.submit(at_ms, f"x{number}", 150, policy="server", accuracy=0.0)
        edge.accepted(at_ms + up_ms + 10, f"x{number}", "exit4")
        edge.replied(at_ms + up_ms + 31, f"x{number}", "exit4")
    edge.submit(1000, "a", 84, accuracy=0.9)
    found = edge.explain("a").as_object()
    assert found["faithful"]
    assert found["chosen"] == (
        "to send it to the cloud as jpeg, to be answered at exit3, in 44.6 ms, at most 87.0 ms; "
        "no site is sure to serve it, and a free one is tried where it may: edge reaches accuracy "
        "0.800, 0.900 is required; cloud needs 87.0 ms, 84.0 ms are left: 3.0 ms too long"
    )
    edge.submit(1001, "b", 40, accuracy=0.9)
    assert edge.explain("b").as_object()["chosen"].endswith("too long; no site could serve it")


def test_a_reload_counts(edge):
    edge.handle(ev.EdgeReconfigured(at(0), replace(edge.machine._settings, policy="edge-only")))
    edge.submit(10, "a", 84)
    edge.local_done(30, "a")
    found = edge.explain("a").as_object()
    assert "by policy edge-only in energy mode" in found["asked"]
    assert found["faithful"]
