"""An edge sends a task only with a credit, and knows when the next one is likely to be free."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import SendToCloud, StartLocal
from mc_sched.core.task import Mode, RefusalCode, Site
from tests.core.round_figures import CLOUD, EVERY_POLICY_LOCAL, PARTITIONED, at, ns
from tests.core.scripted_edge import refused, succeeded, task

NEEDS_CLOUD = {"accuracy": 0.9}
"""No local run reaches this accuracy. The cloud answers a lone task after 10 + 10 + 17 = 37 ms."""


def grant(edge, ms, credits):
    return edge.tell(ms, ev.CreditsGranted, credits)


def sends(actions):
    return [action.task_id for action in actions if isinstance(action, SendToCloud)]


def view(edge, ms, deadline=84, **fields):
    return edge.machine.view(task("?", ms, deadline, **fields), at(ms))


@pytest.fixture
def one_credit(edge):
    """An edge that may have one task open in the cloud."""
    grant(edge, -1, 1)
    return edge


# --- in flight --------------------------------------------------------------------------------


def test_a_second_task_waits_for_the_credit_of_the_first(one_credit):
    assert sends(one_credit.submit(0, "a", 300, **NEEDS_CLOUD)) == ["a"]
    assert sends(one_credit.submit(1, "b", 300, **NEEDS_CLOUD)) == []
    one_credit.accepted(20, "a", "exit3", 17)
    (send,) = [s for s in one_credit.replied(37, "a", "exit3", 17) if isinstance(s, SendToCloud)]
    assert (send.task_id, send.credit_wait_ns) == ("b", ns(36))


def test_a_grant_sends_a_waiting_task_at_once(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.submit(1, "b", 300, **NEEDS_CLOUD)
    assert sends(grant(one_credit, 5, 2)) == ["b"]


def test_credits_that_shrink_stop_no_task(edge):
    grant(edge, -1, 2)
    edge.submit(0, "a", 300, **NEEDS_CLOUD)
    edge.submit(1, "b", 300, **NEEDS_CLOUD)
    grant(edge, 2, 1)
    edge.accepted(20, "a", "exit3", 17)
    edge.submit(21, "c", 300, **NEEDS_CLOUD)
    assert sends(edge.replied(37, "a", "exit3", 17)) == []  # b still holds the only credit


def test_a_task_that_was_given_up_holds_its_credit_until_its_last_message(one_credit):
    one_credit.submit(0, "a", 60)
    one_credit.fallback_fires(36, "a")
    assert sends(one_credit.submit(37, "b", 300, **NEEDS_CLOUD)) == []
    assert sends(one_credit.tell(46, ev.CloudStopped, "a", "given up")) == ["b"]


def test_one_credit_counts_until_the_cloud_has_granted_some(make_edge):
    edge = make_edge()
    edge.tell(0, ev.CloudGone, "cut")
    edge.tell(10, ev.CloudFound, CLOUD)
    assert sends(edge.submit(11, "a", 300, **NEEDS_CLOUD)) == ["a"]
    assert sends(edge.submit(12, "b", 300, **NEEDS_CLOUD)) == []


def test_status_shows_the_credits_and_the_tasks_in_flight(edge):
    grant(edge, -1, 5)
    edge.submit(0, "a", 300, **NEEDS_CLOUD)
    snapshot = edge.machine.snapshot(at(1))
    assert (snapshot.credits, snapshot.in_flight) == (5, 1)


# --- the wait ---------------------------------------------------------------------------------


def test_a_free_credit_needs_no_wait(one_credit):
    assert view(one_credit, 0).credit_in_ns == 0
    assert all(option.credit_mean_ns == 0 for option in view(one_credit, 0).cloud)


def test_the_next_credit_is_free_when_the_task_in_flight_ends(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    assert view(one_credit, 22).credit_in_ns == ns(15)


def test_every_option_contains_the_wait(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    seen = view(one_credit, 22)
    for option in seen.cloud:
        assert option.credit_mean_ns == ns(15)
        assert option.mean_ns - option.with_credit.mean_ns == ns(15)
        assert option.accepted_ns - option.with_credit.accepted_ns == ns(15)
    assert seen.with_credit.credit_in_ns == 0


def test_a_task_that_is_overdue_may_take_as_long_again(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    assert view(one_credit, 41).credit_in_ns == ns(4)


def test_a_task_behind_more_tasks_than_are_in_flight_waits_for_long(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.submit(1, "b", 300, **NEEDS_CLOUD)
    assert view(one_credit, 2, deadline=400).credit_in_ns > ns(200)


def test_there_is_no_wait_for_a_cloud_that_is_gone(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.tell(1, ev.CloudGone, "cut")
    assert view(one_credit, 2).credit_in_ns == 0


# --- decisions --------------------------------------------------------------------------------


def test_a_task_without_a_credit_runs_locally_if_it_can(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    assert one_credit.submit(1, "b", 45)[-1] == StartLocal("b")
    assert one_credit.local_done(21, "b")[-1] == succeeded("b", Site.EDGE)


def test_a_task_that_only_lacks_a_credit_is_refused_for_that_without_a_byte_sent(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    assert one_credit.submit(22, "b", 50, **NEEDS_CLOUD)[-1] == refused(
        "b", refusal=RefusalCode.NO_CREDIT, bytes_up=0
    )
    assert "the cloud has no credit free for 15.0 ms" in one_credit.outcome("b").reason


def test_a_task_that_would_be_late_with_a_credit_is_refused_for_its_deadline(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    assert one_credit.submit(1, "b", 20, **NEEDS_CLOUD)[-1] == refused(
        "b", refusal=RefusalCode.INFEASIBLE
    )


def test_a_task_whose_credit_does_not_come_in_time_falls_back(one_credit):
    one_credit.submit(0, "a", 900, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    one_credit.submit(21, "b", 100)
    fallback_ms = (one_credit.timers[("b", ev.TimerKind.FALLBACK)] - at(0)) / ns(1)
    assert one_credit.fallback_fires(fallback_ms, "b")[-1] == StartLocal("b")
    assert one_credit.local_done(fallback_ms + 20, "b")[-1] == succeeded("b", Site.EDGE)
    assert one_credit.outcome("b").bytes_up == 0


def test_a_task_that_waited_in_vain_is_refused_before_its_deadline(one_credit):
    one_credit.submit(0, "a", 900, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    one_credit.submit(21, "b", 120, **NEEDS_CLOUD)
    one_credit.tell(110, ev.CloudProgressed, "a", 0, ns(50))
    ended = one_credit.tell(111, ev.LinkSampled, ns(10))
    assert ended[-1] == refused("b", refusal=RefusalCode.NO_CREDIT, bytes_up=0)


@pytest.mark.parametrize("policy", ["mc", "mc-paper", "neurosurgeon", "edgent"])
def test_every_policy_with_forecasts_counts_the_wait(make_edge, policy):
    edge = make_edge(EVERY_POLICY_LOCAL, PARTITIONED, policy=policy)
    grant(edge, -1, 1)
    request = {"mode": Mode.ENERGY, "accuracy": 0.75}
    decided = edge.machine.view(task("?", 0, 70, **request, policy=policy), at(0))
    edge.submit(0, "a", 900, policy="server")
    waits = edge.machine.view(task("?", 1, 70, **request, policy=policy), at(1))
    assert min(o.mean_ns for o in waits.cloud) > min(o.mean_ns for o in decided.cloud)


# --- what the cloud is told -------------------------------------------------------------------


def test_waiting_tasks_are_wanted(edge):
    grant(edge, -1, 1)
    edge.submit(0, "a", 900, **NEEDS_CLOUD)
    edge.submit(1, "b", 900, **NEEDS_CLOUD)
    edge.accepted(20, "a", "exit3", 17)
    edge.submit(21, "c", 901, **NEEDS_CLOUD)
    (send,) = [s for s in edge.replied(37, "a", "exit3", 17) if isinstance(s, SendToCloud)]
    assert (send.task_id, send.wanted) == ("b", 1)


def test_tasks_that_were_turned_away_are_wanted_while_they_would_be_open(one_credit):
    one_credit.submit(0, "a", 300, **NEEDS_CLOUD)
    one_credit.accepted(20, "a", "exit3", 17)
    for number in range(3):
        one_credit.submit(30 + number, f"r{number}", 42, **NEEDS_CLOUD)
    one_credit.replied(37, "a", "exit3", 17)
    (send,) = [
        s for s in one_credit.submit(38, "b", 300, **NEEDS_CLOUD) if isinstance(s, SendToCloud)
    ]
    assert send.wanted == 3
    one_credit.accepted(58, "b", "exit3", 17)
    one_credit.replied(75, "b", "exit3", 17)
    (send,) = [
        s for s in one_credit.submit(200, "c", 300, **NEEDS_CLOUD) if isinstance(s, SendToCloud)
    ]
    assert send.wanted == 0


# --- a refusal because credits shrank ---------------------------------------------------------


def test_a_refusal_for_want_of_a_credit_is_not_learned_as_a_late_cloud(edge):
    before = view(edge, 0)
    edge.submit(0, "a", 300, **NEEDS_CLOUD)
    refusal = edge.tell(12, ev.CloudRefused, "a", "no credit", RefusalCode.NO_CREDIT)
    assert refusal[-1] == refused("a", refusal=RefusalCode.NO_CREDIT)
    after = view(edge, 13)
    assert after.tasks_since_late == before.tasks_since_late
    assert after.cloud_in_time == before.cloud_in_time
    assert not [s for s in edge.scores[-1:] if s.unfinished]
