"""Algorithm I, step 6: watching an offloaded task, and the fallback to the local net."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import AbortLocal, SendGiveUp, SetTimer, StartLocal
from mc_sched.core.events import TimerKind
from mc_sched.core.scores import Predictor
from mc_sched.core.task import ExitRule, Site
from tests.core.round_figures import ANSWER, CLOUD, at, ns
from tests.core.scripted_edge import (
    deadline_timer,
    failed,
    fallback_timer,
    late,
    no_deadline,
    no_fallback,
    refused,
    sent,
    succeeded,
    task,
)

FINE = {"accuracy": 0.9}
"""More than the local net has."""


def timers(actions):
    return {a.kind: a.at_ns for a in actions if isinstance(a, SetTimer)}


# --- when the timer is set --------------------------------------------------------------------


def test_the_timer_stands_at_deadline_less_local_time_less_margin(edge):
    assert edge.submit(0, "a", 84)[1] == fallback_timer("a", 84 - 20 - 4)


def test_the_margin_is_a_setting(make_edge):
    edge = make_edge(margin_ns=ns(10))
    assert edge.submit(0, "a", 84)[1] == fallback_timer("a", 84 - 20 - 10)


def test_the_local_time_is_its_upper_quantile(edge):
    edge.submit(0, "x", 84, policy="edge-only")
    edge.local_done(30, "x")
    assert edge.submit(40, "a", 84)[1] == fallback_timer("a", 40 + 84 - 30 - 4)


def test_the_local_time_includes_the_wait_for_the_local_net(edge):
    edge.submit(0, "x", 84, policy="edge-only")
    assert edge.submit(5, "a", 84)[1] == fallback_timer("a", 5 + 84 - (15 + 20) - 4)


def test_the_deadline_counts_from_submission(edge):
    actions = edge.handle(ev.Submitted(at(7), task("a", 0, 84)))
    assert actions[:2] == [deadline_timer("a", 84), fallback_timer("a", 60)]


def test_a_task_that_only_the_cloud_can_serve_has_no_timer(edge):
    assert timers(edge.submit(0, "a", 84, **FINE)) == {TimerKind.DEADLINE: at(84)}


def test_a_task_past_its_latest_start_has_no_timer(edge):
    """The edge is busy until 60: only with the cloud can the task be in time."""
    for name in ("x", "y", "z"):
        edge.submit(0, name, 84, policy="edge-only")
    assert timers(edge.submit(0, "a", 84)) == {TimerKind.DEADLINE: at(84)}


def test_a_task_on_the_edge_has_no_timer(edge):
    assert timers(edge.submit(0, "a", 84, policy="edge-only")) == {TimerKind.DEADLINE: at(84)}


# --- what the cloud knows -------------------------------------------------------------------


def test_the_cloud_is_to_reply_before_the_fallback(edge):
    assert edge.submit(0, "a", 84)[1:] == [
        fallback_timer("a", 60),
        sent("a", budget=84 - 5, reply_in=60 - 5),
    ]


def test_without_a_fallback_the_cloud_is_to_reply_by_the_deadline(edge):
    assert edge.submit(0, "a", 84, **FINE)[-1] == sent("a", budget=84 - 5, accuracy=0.9)


def test_mc_paper_gives_the_cloud_until_the_deadline(edge):
    assert edge.submit(0, "a", 84, policy="mc-paper")[1:] == [
        fallback_timer("a", 60),
        sent("a", budget=84 - 5, rule=ExitRule.PURSUE),
    ]


def test_a_task_that_waits_for_the_uplink_has_less_left_when_it_is_sent(make_edge):
    edge = make_edge(max_uploads=1)
    edge.submit(0, "x", 84, **FINE)
    edge.submit(0, "a", 84)
    assert edge.accepted(20, "x", "exit3") == [sent("a", budget=84 - 25, reply_in=60 - 25)]


def test_a_budget_is_never_negative(edge):
    assert edge.submit(0, "a", 3, policy="server")[-1].budget_ns == 0


# --- when it fires ----------------------------------------------------------------------------


def test_the_timer_stops_the_upload_and_runs_the_local_net(edge):
    edge.submit(0, "a", 84)
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]
    assert edge.local_done(80, "a") == [
        no_deadline("a"),
        succeeded("a", Site.EDGE, exit="local", latency_ns=ns(80), gave_up=True),
    ]


def test_the_timer_stops_the_work_in_the_cloud(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_an_image_that_still_waits_for_the_uplink_is_withdrawn(make_edge):
    edge = make_edge(max_uploads=1)
    edge.submit(0, "x", 200, **FINE)
    edge.submit(0, "a", 84)
    assert edge.fallback_fires(60, "a") == [StartLocal("a")]
    edge.local_done(80, "a")
    assert edge.outcome("a").gave_up is False


def test_a_busy_edge_queues_the_fallback(edge):
    edge.submit(0, "a", 100)
    edge.submit(58, "x", 84, policy="edge-only")
    assert edge.fallback_fires(76, "a") == [SendGiveUp("a")]  # x ends at 78
    assert edge.local_done(78, "x")[-1] == StartLocal("a")


def test_a_busy_edge_that_cannot_be_in_time_leaves_the_task_to_the_cloud(edge):
    edge.submit(0, "a", 84)
    edge.submit(58, "x", 30, policy="edge-only")  # cannot wait
    assert edge.fallback_fires(60, "a") == []  # x ends at 78, 6 ms before the deadline
    edge.accepted(61, "a")
    assert edge.replied(70, "a") == [no_deadline("a"), succeeded("a", Site.CLOUD, gave_up=False)]


def test_at_the_latest_start_the_local_net_runs(edge):
    edge.submit(0, "a", 84)
    assert edge.fallback_fires(64, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_a_nanosecond_after_the_latest_start_the_cloud_keeps_the_task(edge):
    edge.submit(0, "a", 84)
    assert edge.fallback_fires(64 + 1e-6, "a") == []


def test_queued_tasks_that_are_due_earlier_count(edge):
    edge.submit(0, "a", 84)
    edge.submit(40, "x", 84, policy="edge-only")
    edge.submit(41, "y", 40, policy="edge-only")  # due at 81; it runs from 60 to 80
    assert edge.fallback_fires(60, "a") == []


def test_queued_tasks_that_are_due_later_do_not_count(edge):
    edge.submit(0, "a", 84)
    edge.submit(40, "x", 84, policy="edge-only")
    edge.submit(41, "y", 60, policy="edge-only")
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a")]
    assert edge.local_done(60, "x")[-1] == StartLocal("a")


def test_a_run_that_can_wait_does_not_block_a_fallback(edge):
    edge.submit(0, "a", 84)
    x = edge.submit(45, "x", 84, policy="edge-only")  # until 65, and then a would end at 85
    assert x == [deadline_timer("x", 129)]
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]
    assert edge.local_done(80, "a")[-1] == StartLocal("x")


def test_a_run_that_waits_for_a_fallback_starts_when_the_cloud_answers(edge):
    edge.submit(0, "a", 84)
    edge.submit(45, "x", 84, policy="edge-only")
    edge.accepted(50, "a")
    assert edge.replied(55, "a")[-1] == StartLocal("x")


def test_a_run_that_ends_before_the_latest_start_does_not_wait(edge):
    edge.submit(0, "a", 84)
    assert edge.submit(44, "x", 84, policy="edge-only")[-1] == StartLocal("x")  # a would end at 84


# --- hedged -----------------------------------------------------------------------------------


@pytest.fixture
def hedging(edge):
    """A cloud that was late, so that the next offload, at 43 ms, is a hedge from 62 ms on."""
    edge.submit(0, "first", 84)
    edge.submit(0, "second", 43)
    edge.deadline_fires(43, "second")
    edge.accepted(43, "first")
    edge.replied(43, "first")
    assert fallback_timer("a", 62) in edge.submit(43, "a", 43)
    return edge


def test_a_hedged_upload_continues_beside_the_local_run_and_may_answer_first(hedging):
    assert hedging.fallback_fires(62, "a") == [StartLocal("a")]
    hedging.accepted(63, "a")
    assert hedging.replied(72, "a") == [
        no_deadline("a"),
        AbortLocal("a"),
        succeeded("a", Site.CLOUD, gave_up=False, latency_ns=ns(29)),
    ]
    assert hedging.scored(Predictor.CLOUD_TOTAL).actual_ns == ns(29)


def test_a_hedged_upload_is_given_up_when_the_local_net_answers_first(hedging):
    hedging.fallback_fires(62, "a")
    assert hedging.local_done(82, "a") == [
        no_deadline("a"),
        SendGiveUp("a"),
        succeeded("a", Site.EDGE, gave_up=True, latency_ns=ns(39)),
    ]


def test_a_hedged_offload_that_was_accepted_and_is_late_is_given_up_at_once(hedging):
    hedging.accepted(55, "a", predicted=3)
    assert hedging.fallback_fires(62, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_a_hedge_whose_two_runs_fail_ends_with_the_second(hedging):
    hedging.fallback_fires(62, "a")
    assert hedging.tell(63, ev.LocalFailed, "a", "out of memory") == []
    assert hedging.tell(64, ev.CloudLost, "a", "cut") == [
        no_deadline("a"), failed("a", reason="the cloud was lost: cut"),
    ]  # fmt: skip


# --- the answer comes first -------------------------------------------------------------------


def test_an_answer_before_the_timer_ends_the_task_and_its_timers(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.tell(24, ev.CloudProgressed, "a", 0, ns(5))
    assert edge.replied(29, "a") == [
        no_deadline("a"),
        no_fallback("a"),
        succeeded(
            "a", Site.CLOUD, exit="exit1", prediction=ANSWER, latency_ns=ns(29),
            expected_accuracy=0.77, required_accuracy=0.75, gave_up=False, cloud_ns=ns(9),
        ),
    ]  # fmt: skip


# --- the cloud will not answer ----------------------------------------------------------------

ENDS = [
    (ev.CloudRefused, ("no exit is in time",), refused, "cloud: no exit is in time"),
    (ev.CloudStopped, ("infeasible",), late, "the cloud stopped: infeasible"),
    (ev.CloudLost, ("connection reset",), failed, "the cloud was lost: connection reset"),
]


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_without_the_cloud_a_task_falls_back_at_once_if_possible(edge, event, fields, kind, reason):
    edge.submit(0, "a", 84)
    assert edge.tell(15, event, "a", *fields) == [no_fallback("a"), StartLocal("a")]
    assert edge.local_done(35, "a") == [
        no_deadline("a"),
        succeeded("a", Site.EDGE, latency_ns=ns(35), gave_up=False),
    ]


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_without_cloud_and_fallback_a_task_ends_at_once_with_the_reason(
    edge, event, fields, kind, reason
):
    edge.submit(0, "a", 84, **FINE)
    assert edge.tell(15, event, "a", *fields) == [
        no_deadline("a"),
        kind("a", reason=reason, latency_ns=ns(15), site=None, gave_up=False),
    ]


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_a_task_falls_back_to_a_busy_local_net_if_that_can_be_in_time(
    edge, event, fields, kind, reason
):
    edge.submit(0, "a", 84)
    edge.submit(44, "x", 84, policy="edge-only")  # until 64
    assert edge.tell(55, event, "a", *fields) == [no_fallback("a")]
    assert edge.local_done(64, "x")[-1] == StartLocal("a")


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_a_task_does_not_fall_back_to_a_local_net_that_is_busy_for_too_long(
    edge, event, fields, kind, reason
):
    edge.submit(0, "a", 84)
    edge.submit(45, "x", 30, policy="edge-only")  # until 65
    assert edge.tell(55, event, "a", *fields) == [
        no_deadline("a"),
        no_fallback("a"),
        kind("a", reason=reason),
    ]


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_a_policy_without_fallback_does_not_fall_back(edge, event, fields, kind, reason):
    edge.submit(0, "a", 84, policy="server")
    assert edge.tell(15, event, "a", *fields) == [no_deadline("a"), kind("a", reason=reason)]


@pytest.mark.parametrize(("event", "fields", "kind", "reason"), ENDS)
def test_the_end_of_a_call_after_the_give_up_is_legal_and_changes_nothing(
    edge, event, fields, kind, reason
):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    assert edge.tell(61, event, "a", *fields) == []
    edge.local_done(80, "a")
    assert edge.machine.is_idle


def test_calls_in_flight_continue_when_the_cloud_is_gone(edge):
    """Each call ends by an event of its own; until then its timers stay set."""
    edge.submit(0, "up", 84)
    edge.submit(0, "run", 84)
    edge.accepted(20, "run")
    assert edge.tell(21, ev.CloudGone, "the cloud agent is shutting down") == []
    assert edge.replied(29, "run")[-1] == succeeded("run", Site.CLOUD)
    assert edge.fallback_fires(60, "up") == [SendGiveUp("up"), StartLocal("up")]


def test_a_cloud_that_comes_back_serves_the_next_task(edge):
    edge.submit(0, "a", 84)
    edge.tell(5, ev.CloudGone, "no answer")
    edge.tell(5, ev.CloudLost, "a", "cut")
    assert edge.submit(6, "b", 84, **FINE) == [refused("b")]
    edge.tell(30, ev.CloudFound, CLOUD)
    assert edge.submit(30, "c", 84, **FINE)[-1] == sent("c", budget=79, accuracy=0.9)


# --- what crosses the give-up -----------------------------------------------------------------


def test_a_reply_that_crosses_the_give_up_is_used_and_the_local_run_aborted(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    assert edge.replied(62, "a") == [
        no_deadline("a"),
        AbortLocal("a"),
        succeeded("a", Site.CLOUD, latency_ns=ns(62), gave_up=True),
    ]
    assert edge.tell(65, ev.LocalAborted, "a") == []
    assert edge.machine.is_idle


def test_an_aborted_local_run_that_still_answers_is_ignored(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    edge.replied(79, "a")
    assert edge.local_done(80, "a") == []
    assert edge.outcome("a").site is Site.CLOUD


def test_a_crossing_reply_that_is_not_accurate_enough_does_not_stop_the_local_run(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    assert edge.replied(62, "a", "exit0") == []
    assert edge.local_done(80, "a")[-1] == succeeded("a", Site.EDGE)


def test_a_late_reply_is_ignored(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    assert edge.replied(81, "a") == []
    assert edge.machine.is_idle


@pytest.mark.parametrize("event", [ev.CloudAccepted, ev.CloudProgressed])
def test_messages_about_a_given_up_task_are_ignored(edge, event):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    news = ("exit1", ns(9), 0) if event is ev.CloudAccepted else (0, ns(5))
    assert edge.tell(61, event, "a", *news) == []
    assert edge.local_done(80, "a")[-1] == succeeded("a", Site.EDGE)


def test_an_answer_below_the_required_accuracy_fails(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.accepted(20, "a", "exit3")
    assert edge.replied(29, "a", "exit0")[-1] == failed(
        "a", site=None, reason="expected accuracy 0.600 is below 0.900"
    )


def test_a_task_falls_back_after_an_answer_below_the_required_accuracy(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    assert edge.replied(29, "a", "exit0") == [no_fallback("a"), StartLocal("a")]
    assert edge.local_done(49, "a")[-1] == succeeded("a", Site.EDGE)


def test_a_link_that_comes_back_is_not_judged_by_its_last_uploads(edge):
    """Otherwise uploads that broke with the link would show a very slow link for ten seconds."""
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    edge.local_done(80, "a")
    edge.tell(81, ev.CloudLost, "a", "cut")
    edge.tell(90, ev.CloudGone, "no answer")
    edge.tell(200, ev.CloudFound, CLOUD)
    assert edge.machine.snapshot(at(201)).uplink_bps == 8e6
    assert edge.submit(201, "b", 84)[-1] == sent("b", budget=79, reply_in=55)


# --- what the cloud reports --------------------------------------------------------------------


def test_a_task_that_the_cloud_reports_on_time_stays_in_the_cloud(edge):
    edge.submit(0, "a", 84)
    edge.accepted(50, "a", predicted=30)
    assert edge.fallback_fires(60, "a") == []
    assert edge.replied(80, "a")[-1] == succeeded("a", Site.CLOUD)


def test_the_clouds_latest_report_counts(edge):
    edge.submit(0, "a", 84)
    edge.accepted(50, "a", predicted=30)
    edge.tell(55, ev.CloudProgressed, "a", 0, ns(30))
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_a_task_falls_back_if_the_reported_time_has_passed(edge):
    edge.submit(0, "a", 84)
    edge.accepted(50, "a", predicted=9)
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]


def test_a_task_falls_back_if_the_report_leaves_no_time_for_a_slow_reply(edge):
    edge.tell(0, ev.LinkSampled, ns(40))  # once in five
    edge.submit(0, "a", 84)
    edge.accepted(50, "a", predicted=33)
    assert SendGiveUp("a") in edge.fallback_fires(40, "a")


def test_mc_paper_falls_back_whatever_the_cloud_reports(edge):
    edge.submit(0, "a", 84, policy="mc-paper")
    edge.accepted(50, "a", predicted=20)
    assert edge.fallback_fires(60, "a") == [SendGiveUp("a"), StartLocal("a")]
