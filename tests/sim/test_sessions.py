"""Credits, waits and reports in a session, as the simulated cloud agent keeps them."""

from types import SimpleNamespace

import pytest

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.task import RefusalCode
from mc_sched.sim.cloud import SWEEP_NS
from mc_sched.sim.sessions import GRACE_NS, LOAD_INTERVAL_NS, Session
from tests.sim.worlds import MS, S, Story, dark, edge, world


@pytest.fixture
def session():
    return Session(SimpleNamespace(edge_id="e"), 1, 0)


def test_an_edge_has_a_credit_before_the_first_grant(session):
    assert session.has_credit(0)
    session.open_tasks = 1
    assert not session.has_credit(0)


def test_a_withdrawn_credit_is_honoured_for_a_second(session):
    assert session.grant(0, 5)
    session.grant(10 * MS, 2)
    session.open_tasks = 4
    assert session.has_credit(10 * MS + GRACE_NS)
    assert not session.has_credit(11 * MS + GRACE_NS)


def test_only_a_change_of_the_credits_is_sent(session):
    assert session.grant(0, 0)  # at least 1
    session.sent_credits = session.credits
    assert session.credits == 1
    assert not session.grant(0, 1)
    assert session.grant(0, 2)


def test_the_load_goes_with_a_message_now_and_then(session):
    sent = [session.reports_load(at_ms * MS) for at_ms in (0, 10, 49, 50, 99, 100)]
    assert sent == [True, False, False, True, False, True]
    assert LOAD_INTERVAL_NS == 50 * MS


def call(sent_ms, begun_ms, opened_ms):
    return SimpleNamespace(sent_ns=sent_ms * MS, begun_ns=begun_ms * MS, opened_ns=opened_ms * MS)


def test_waits_in_the_queue_on_the_way_and_here_are_spent(session):
    assert session.spent_ns(20 * MS, call(4, 10, 15)) == (6 + 5) * MS
    # the next one takes 30 ms more on its way than the first
    spent_ns = session.spent_ns(140 * MS, call(100, 100, 135))
    assert spent_ns == pytest.approx((30 + 5) * MS, rel=1e-3)


# --- in a world -----------------------------------------------------------------------------------


def test_credits_come_before_the_cloud_is_found():
    story = Story(world(edge(tasks=10)))
    (joined,) = story.events(ev.EdgeJoined, "cloud-0")
    kinds = [type(event) for node, event, _ in story.steps if node == "edge"]
    assert joined.edge_id == "edge"
    assert kinds.index(ev.CreditsGranted) < kinds.index(ev.CloudReached)
    assert kinds.index(ev.CloudReached) < kinds.index(ev.CloudFound)


def test_a_lost_cloud_ends_the_session_and_its_tasks():
    policy = {"policy": "server"}
    link = dark((1, 4))
    story = Story(world(edge(link=link, tasks=120, deadline_ns=9 * S, settings=policy, fps=20)))
    (left,) = story.events(ev.EdgeLeft, "cloud-0")
    first, second = story.events(ev.EdgeJoined, "cloud-0")
    assert first.now_ns < left.now_ns < second.now_ns
    gone = story.events(ev.ClientGone, "cloud-0")
    assert all(event.now_ns <= left.now_ns for event in gone)
    assert len(story.outcomes) == 120


def test_an_upload_that_is_given_up_ends_when_the_cloud_confirms_it():
    slow = dark()
    # an upload of 300 kB takes 0.3 s
    story = Story(
        world(
            edge(link=slow, payload_bytes={"jpeg": 300_000}, deadline_ns=250 * MS, fps=2,
                 settings={"policy": "mc-paper"}),
        )
    )  # fmt: skip
    assert len(story.outcomes) == 60
    stops = [event for event in story.events(ev.CloudStopped) if "given up" in event.reason]
    given_up = {action.task_id for action in story.actions(do.SendGiveUp)}
    assert {event.task_id for event in stops} <= given_up
    assert not story.events(ev.GiveUpReceived, "cloud-0")


def test_wanted_credits_reach_the_machine():
    edges = [edge(f"e{n}", settings={"policy": "server"}, fps=60) for n in range(4)]
    story = Story(world(*edges, max_tasks=4))
    sent = {a.task_id: a.wanted for a in story.actions(do.SendToCloud)}
    received = story.events(ev.Received, "cloud-0")
    assert all(event.wanted == sent[event.task_id.split("/")[1]] for event in received)
    assert any(event.wanted for event in received)
    told = story.events(ev.CreditsWanted, "cloud-0")
    assert told
    assert all(event.now_ns % SWEEP_NS == 0 for event in told)


def test_an_edge_sends_no_more_than_its_credits():
    """A cloud agent refuses tasks without credit; an edge that knows its credits sends none."""
    edges = [
        edge(f"e{n}", settings={"policy": "server"}, fps=60, deadline_ns=120 * MS)
        for n in range(8)
    ]  # fmt: skip
    story = Story(world(*edges, max_tasks=8))
    refused = [a for a in story.actions(do.Refuse) if a.code is RefusalCode.NO_CREDIT]
    assert not refused
    assert len(story.outcomes) == 8 * 60


@pytest.mark.parametrize(("count", "deadline_ms", "max_tasks"), [(4, 500, 4), (12, 150, 64)])
def test_tasks_that_waited_for_a_credit_too_long_take_none(count, deadline_ms, max_tasks):
    """Credits keep the goodput of edges that offer five to fifteen times the capacity."""
    edges = [
        edge(f"e{n}", settings={"policy": "server"}, fps=60, tasks=120,
             deadline_ns=deadline_ms * MS)
        for n in range(count)
    ]  # fmt: skip
    with_credits, without = (
        Story(world(*edges, max_tasks=max_tasks, credits=credits)).kinds().count("succeeded")
        for credits in (True, False)
    )
    assert with_credits >= 0.9 * without
