"""The edge's queue for the uplink: earliest deadline first, max_uploads, unsent bytes counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import events as ev
from mc_sched.core.actions import SendGiveUp, SendToCloud, StartLocal
from tests.core.round_figures import CLOUD, ns
from tests.core.scripted_edge import (
    ScriptedEdge,
    deadline_timer,
    failed,
    late,
    no_deadline,
    refused,
    sent,
)

LITTLE = 1e-3
FINE = {"accuracy": 0.9}
"""Only the cloud is accurate enough: 37 ms on a free link."""


@pytest.fixture
def edge(make_edge):
    """An edge that sends one image at a time."""
    return make_edge(max_uploads=1)


def uploads(actions):
    return [a.task_id for a in actions if isinstance(a, SendToCloud)]


def test_no_more_than_max_uploads_at_once(make_edge):
    edge = make_edge(max_uploads=2)
    assert uploads(edge.submit(0, "a", 200, **FINE)) == ["a"]
    assert uploads(edge.submit(0, "b", 200, **FINE)) == ["b"]
    assert edge.submit(0, "c", 200, **FINE) == [deadline_timer("c", 200)]


def test_the_next_image_is_sent_when_the_first_is_accepted(edge):
    """With what is left of its deadline then, less half a round trip."""
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    assert edge.accepted(20, "a", "exit3") == [sent("b", budget=200 - 20 - 5, accuracy=0.9)]


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (ev.CloudRefused, ("full",)),
        (ev.CloudStopped, ("infeasible",)),
        (ev.CloudLost, ("broken",)),
    ],
)
def test_the_next_image_is_sent_when_the_first_call_has_ended(edge, event, fields):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    assert uploads(edge.tell(8, event, "a", *fields)) == ["b"]


def test_the_next_image_is_sent_when_the_first_is_given_up(edge):
    edge.submit(0, "a", 40, **FINE)
    edge.submit(0, "b", 200, **FINE)
    assert edge.deadline_fires(40, "a") == [
        SendGiveUp("a"),
        late("a"),
        sent("b", budget=200 - 40 - 5, accuracy=0.9),
    ]


def test_the_earliest_deadline_leaves_first(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "late", 400, **FINE)
    edge.submit(0, "later", 500, **FINE)
    edge.submit(0, "soon", 300, **FINE)
    assert uploads(edge.accepted(20, "a", "exit3")) == ["soon"]
    assert uploads(edge.accepted(30, "soon", "exit3")) == ["late"]
    assert uploads(edge.accepted(40, "late", "exit3")) == ["later"]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1_000, 2_000), min_size=1, max_size=12))
def test_the_earliest_deadline_leaves_first_in_any_order_of_arrival(deadlines):
    edge = ScriptedEdge(max_uploads=1)
    waiting = uploads(edge.submit(0, "first", 900, **FINE))
    for number, deadline in enumerate(deadlines):
        edge.submit(0, f"{deadline}/{number:02}", deadline, **FINE)
    order, ms = [], 0
    while waiting:
        ms += 20
        waiting = uploads(edge.accepted(ms, waiting[0], "exit3"))
        order += waiting
    assert order == sorted(order, key=lambda name: (int(name.split("/")[0]), name[-2:]))
    assert len(order) == len(deadlines)


# --- waits for unsent bytes -----------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "unsent"), [(0, 10), (4, 6), (10, 0)])
def test_the_unsent_bytes_of_an_upload_count(edge, ms, unsent):
    edge.submit(0, "a", 200, **FINE)
    assert edge.submit(ms, "b", unsent + 37 - LITTLE, **FINE) == [refused("b")]
    assert edge.submit(ms, "c", unsent + 37, **FINE) == [deadline_timer("c", ms + unsent + 37)]


def test_queued_images_that_are_due_earlier_count(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 50, **FINE)
    assert edge.submit(0, "c", 57 - LITTLE, **FINE) == [refused("c")]
    assert edge.submit(0, "d", 57, **FINE) == [deadline_timer("d", 57)]


def test_queued_images_that_are_due_later_do_not_count(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    assert edge.submit(0, "c", 47, **FINE) == [deadline_timer("c", 47)]


def test_an_upload_that_was_given_up_leaves_the_uplink_free(edge):
    edge.submit(0, "a", 40, **FINE)
    edge.deadline_fires(40, "a")
    edge.tell(41, ev.LinkSampled, ns(10))
    small = {"jpeg": 1_000}
    assert uploads(edge.submit(41, "b", 200, payload_bytes=small, **FINE)) == ["b"]


def test_two_uploads_share_one_link(make_edge):
    """20 kB at 8 Mbps take 20 ms: at 15 ms 5 ms of them are unsent, and 37 follow."""
    edge = make_edge(max_uploads=2)
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    assert edge.submit(15, "c", 41, **FINE) == [refused("c")]


def test_the_bytes_of_an_upload_that_has_arrived_are_not_unsent(make_edge):
    """10 kB have left by 10 ms, and the 30 kB beside them will have by 40."""
    edge = make_edge(max_uploads=2)
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, payload_bytes={"jpeg": 30_000}, **FINE)
    edge.accepted(20, "a", "exit3", predicted=0)
    assert edge.submit(20, "c", 20 + 37 - LITTLE, **FINE) == [refused("c")]
    assert edge.submit(20, "d", 20 + 37, **FINE)[0] == deadline_timer("d", 77)


def test_the_queue_reported_with_an_acceptance_counts_for_the_next_task(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.accepted(20, "a", "exit3", predicted=60, queue=43)
    assert edge.submit(20, "b", 37, **FINE) == [refused("b")]


PROMISE = (
    "EdgeForecast._cloud_free_ns keeps what `accepted` once predicted, whatever the cloud has "
    "said since"
)


def test_an_early_reply_shows_that_the_cloud_is_free(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.accepted(20, "a", "exit3", predicted=100)
    edge.replied(37, "a", "exit3", compute=17, queue=0)
    assert uploads(edge.submit(38, "b", 37, **FINE)) == ["b"]


def test_a_probe_shows_that_the_cloud_is_free(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.accepted(20, "a", "exit3", predicted=100)
    edge.tell(37, ev.LinkSampled, ns(10), 0, 1.0)
    assert uploads(edge.submit(38, "b", 37, **FINE)) == ["b"]


def test_work_that_was_given_up_does_not_count_as_wait(edge):
    edge.submit(0, "a", 40, **FINE)
    edge.accepted(20, "a", "exit3", predicted=100)
    edge.deadline_fires(40, "a")
    edge.tell(50, ev.CloudStopped, "a", "given up")
    assert uploads(edge.submit(51, "b", 37, **FINE)) == ["b"]


def test_the_slowdown_that_the_cloud_reports_counts(edge):
    edge.tell(0, ev.LinkSampled, ns(10), 0, 3.0)
    assert edge.submit(0, "a", 37, **FINE) == [refused("a")]


# --- images that cannot be in time any more, and a cloud that is gone -------------------------


def test_an_image_that_cannot_be_in_time_any_more_is_not_sent(edge):
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 60, **FINE)
    assert uploads(edge.accepted(50, "a", "exit3")) == []


def test_an_image_that_was_just_admitted_can_be_in_time(edge):
    for number in range(20):
        took = 170 if number == 0 else 17
        edge.submit(300 * number, f"x{number}", 900, **FINE)
        edge.accepted(300 * number + 20, f"x{number}", "exit3")
        edge.replied(300 * number + 20 + took, f"x{number}", "exit3")
    assert uploads(edge.submit(6_000, "a", 37, **FINE)) == ["a"]


def test_queued_images_fall_back_when_the_cloud_is_gone(edge):
    """Tasks run locally if that can be in time, else they fail; calls in flight continue."""
    edge.submit(0, "a", 200, **FINE)
    edge.submit(0, "b", 200, **FINE)
    edge.submit(0, "c", 200, policy="mc-paper")
    actions = edge.tell(5, ev.CloudGone, "no answer")
    assert failed("b", reason="the cloud was lost: no answer", gave_up=False) in actions
    assert [a.task_id for a in actions if isinstance(a, StartLocal)] == ["c"]
    assert not edge.outcomes["a"]
    assert no_deadline("b") in actions


def test_nothing_is_sent_to_a_cloud_that_is_gone(edge):
    edge.tell(0, ev.CloudGone, "no answer")
    assert edge.submit(0, "a", 200, **FINE) == [refused("a")]
    assert uploads(edge.submit(0, "b", 200)) == []


def test_images_are_sent_again_when_the_cloud_is_back(edge):
    edge.tell(0, ev.CloudGone, "no answer")
    edge.tell(5, ev.CloudFound, CLOUD)
    assert uploads(edge.submit(5, "a", 37, **FINE)) == ["a"]


# --- as many as cover a round trip --------------------------------------------------------------


def sent_at_once(edge, count):
    submitted = [edge.submit(0, f"t{number}", 900, **FINE) for number in range(count)]
    return sum(len(uploads(actions)) for actions in submitted)


def test_without_max_uploads_enough_images_are_sent_to_cover_the_round_trip(make_edge):
    far = make_edge()
    for _ in range(40):
        far.tell(0, ev.LinkSampled, ns(95))  # 10 ms of upload: nine and a half more of them
    assert sent_at_once(far, 20) == 1 + 10


def test_without_max_uploads_two_images_cover_a_short_round_trip(make_edge):
    assert sent_at_once(make_edge(), 5) == 2
