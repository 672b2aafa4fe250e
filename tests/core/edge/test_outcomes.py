"""Algorithm I, step 7: the ends of tasks, exactly one each."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import AbortLocal, SendGiveUp, StartLocal
from mc_sched.core.task import Site
from tests.core.round_figures import ANSWER, ns
from tests.core.scripted_edge import (
    deadline_timer,
    failed,
    late,
    no_deadline,
    no_fallback,
    refused,
    succeeded,
)

FINE = {"accuracy": 0.9}
LOCALLY = {"policy": "edge-only"}


# --- a result is output the moment it arrives -------------------------------------------------


def test_a_local_answer_ends_the_task(edge):
    edge.submit(0, "a", 84, stream_id="camera", **LOCALLY)
    assert edge.local_done(20, "a") == [
        no_deadline("a"),
        succeeded(
            "a", Site.EDGE, stream_id="camera", exit="local", prediction=ANSWER,
            latency_ns=ns(20), expected_accuracy=0.80, required_accuracy=0.75, gave_up=False,
            cloud_ns=0, bytes_up=0,
        ),
    ]  # fmt: skip
    assert edge.machine.is_idle


@pytest.mark.parametrize("ms", [83.999999, 84])
def test_an_answer_at_the_deadline_is_in_time(edge, ms):
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.local_done(ms, "a")[-1] == succeeded("a", Site.EDGE, latency_ns=ns(ms))


def test_an_answer_a_nanosecond_later_is_late(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.local_done(84 + 1e-6, "a") == [
        no_deadline("a"),
        late("a", site=Site.EDGE, prediction=ANSWER, reason="the result came after the deadline"),
    ]


def test_a_cloud_answer_a_nanosecond_after_the_deadline_is_late(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.accepted(20, "a", "exit3")
    edge.submit(0, "b", 84, **FINE)
    edge.accepted(30, "b", "exit3")
    assert edge.replied(84, "a", "exit3")[-1] == succeeded("a", Site.CLOUD)
    assert edge.replied(84 + 1e-6, "b", "exit3")[-1] == late("b", site=Site.CLOUD)


# --- the deadline -----------------------------------------------------------------------------


def test_at_the_deadline_a_task_in_the_cloud_is_late_and_given_up(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.accepted(20, "a", "exit3")
    assert edge.deadline_fires(84, "a") == [
        SendGiveUp("a"),
        late("a", latency_ns=ns(84), site=None, reason="no result at the deadline", gave_up=True),
    ]


def test_at_the_deadline_an_upload_is_given_up(edge):
    edge.submit(0, "a", 84, **FINE)
    assert edge.deadline_fires(84, "a") == [SendGiveUp("a"), late("a", gave_up=True)]


def test_at_the_deadline_a_local_run_is_aborted(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.deadline_fires(84, "a") == [AbortLocal("a"), late("a", gave_up=False)]


def test_at_the_deadline_a_fallback_run_is_aborted(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    assert edge.deadline_fires(84, "a") == [AbortLocal("a"), late("a", gave_up=True)]


def test_at_the_deadline_a_queued_task_is_withdrawn(edge):
    edge.submit(0, "x", 200, **LOCALLY)
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.deadline_fires(84, "a") == [late("a")]
    assert edge.local_done(90, "x")[-1] == succeeded("x", Site.EDGE)


def test_at_the_deadline_a_queued_image_is_withdrawn(make_edge):
    edge = make_edge(max_uploads=1)
    edge.submit(0, "x", 200, **FINE)
    edge.submit(0, "a", 84, **FINE)
    assert edge.deadline_fires(84, "a") == [late("a", gave_up=False)]
    assert edge.accepted(90, "x", "exit3") == []


def test_the_deadline_cancels_a_fallback_timer_that_comes_after_it(edge):
    """The driver was late: the deadline's timer fires before the fallback's."""
    edge.submit(0, "a", 84)
    assert edge.deadline_fires(90, "a") == [no_fallback("a"), SendGiveUp("a"), late("a")]


@pytest.mark.parametrize(
    "news",
    [
        lambda edge: edge.accepted(85, "a", "exit3"),
        lambda edge: edge.tell(85, ev.CloudProgressed, "a", 2, ns(5)),
        lambda edge: edge.replied(85, "a", "exit3"),
        lambda edge: edge.tell(85, ev.CloudRefused, "a", "too late"),
        lambda edge: edge.tell(85, ev.CloudStopped, "a", "given up"),
        lambda edge: edge.tell(85, ev.CloudLost, "a", "cut"),
    ],
)
def test_messages_of_the_cloud_after_the_deadline_are_legal_and_ignored(edge, news):
    edge.submit(0, "a", 84, **FINE)
    edge.deadline_fires(84, "a")
    assert news(edge) == []


# --- the local net fails ----------------------------------------------------------------------


def test_a_local_failure_ends_the_task(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.tell(7, ev.LocalFailed, "a", "out of memory") == [
        no_deadline("a"),
        failed("a", reason="local net: out of memory", latency_ns=ns(7), site=None),
    ]


def test_a_fallback_that_fails_ends_the_task(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    assert edge.tell(62, ev.LocalFailed, "a", "out of memory")[-1] == failed("a", gave_up=True)
    assert edge.replied(63, "a", "exit1") == []


def test_a_local_failure_after_the_outcome_is_ignored(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.deadline_fires(84, "a")
    assert edge.tell(85, ev.LocalFailed, "a", "out of memory") == []


# --- the client leaves ------------------------------------------------------------------------

LEFT = "the client left"


def test_a_task_whose_client_leaves_is_stopped_on_the_edge(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    assert edge.tell(5, ev.ClientGone, "a") == [
        no_deadline("a"),
        AbortLocal("a"),
        failed("a", reason=LEFT),
    ]


def test_a_task_whose_client_leaves_is_stopped_in_the_cloud(edge):
    edge.submit(0, "a", 84)
    assert edge.tell(5, ev.ClientGone, "a") == [
        no_deadline("a"),
        no_fallback("a"),
        SendGiveUp("a"),
        failed("a", reason=LEFT),
    ]


def test_a_task_whose_client_leaves_is_stopped_at_both_sites(edge):
    """Given up but not confirmed: only the local run is left to stop."""
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    assert edge.tell(65, ev.ClientGone, "a") == [
        no_deadline("a"),
        AbortLocal("a"),
        failed("a", reason=LEFT),
    ]


def test_a_client_that_leaves_after_the_outcome_changes_nothing(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(20, "a")
    assert edge.tell(21, ev.ClientGone, "a") == []


def test_a_client_that_leaves_while_the_legs_close_changes_nothing(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.deadline_fires(84, "a")
    assert edge.tell(85, ev.ClientGone, "a") == []


# --- drain ------------------------------------------------------------------------------------


def test_draining_refuses_new_tasks_and_finishes_the_open_ones(edge):
    edge.submit(0, "local", 84, **LOCALLY)
    edge.submit(0, "queued", 84, **LOCALLY)
    edge.submit(0, "cloud", 84, **FINE)
    assert edge.tell(1, ev.Drain) == []
    reason = "the agent is shutting down; submit again when it is back"
    assert edge.submit(2, "new", 84) == [refused("new", reason=reason)]
    assert edge.local_done(20, "local")[-1] == StartLocal("queued")
    assert edge.local_done(40, "queued")[-1] == succeeded("queued", Site.EDGE)
    edge.accepted(41, "cloud", "exit3")
    assert edge.replied(60, "cloud", "exit3")[-1] == succeeded("cloud", Site.CLOUD)
    assert edge.machine.is_idle


def test_fallbacks_still_run_while_draining(edge):
    edge.submit(0, "a", 84)
    edge.tell(1, ev.Drain)
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_feedback_is_refused_while_draining(edge):
    edge.tell(0, ev.Drain)
    assert edge.unsatisfied(1, "a", "a+1", 84) == [refused("a+1")]


# --- ids --------------------------------------------------------------------------------------


def test_an_id_may_be_used_again_when_its_task_is_over(edge):
    edge.submit(0, "a", 84, **LOCALLY)
    edge.local_done(20, "a")
    assert edge.submit(30, "a", 84, **LOCALLY) == [deadline_timer("a", 114), StartLocal("a")]


def test_an_id_whose_give_up_is_unconfirmed_is_refused(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.deadline_fires(84, "a")
    assert edge.submit(85, "a", 84) == [refused("a")]
