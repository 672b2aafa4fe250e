"""A task that only old measurements forbid is tried at an idle site."""

import pytest

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.task import Site
from tests.core.round_figures import LOCAL_MS, ns
from tests.core.scripted_edge import deadline_timer, refused, succeeded


@pytest.fixture
def slow(make_edge):
    """An edge without a cloud, whose last local runs took ten times as long as profiled."""
    edge = make_edge(cloud=None)
    for number in range(5):
        edge.submit(250 * number, f"s{number}", 900)
        edge.local_done(250 * number + 10 * LOCAL_MS, f"s{number}")
    return edge


MEASURED_MS = 1200
"""End of the last slow run."""


def trial(task_id, after=400):
    return do.RecordTrial(task_id, ns(after))


def test_a_task_that_the_profile_allows_is_tried(slow):
    actions = slow.submit(1600, "a", 50)
    assert actions == [trial("a"), deadline_timer("a", 1650), do.StartLocal("a")]


def test_not_before_a_quarter_of_a_second(slow):
    assert slow.submit(MEASURED_MS + 240, "a", 50) == [refused("a")]
    assert slow.submit(MEASURED_MS + 250, "b", 50)[0] == trial("b", 250)


def test_one_at_a_time(slow):
    slow.submit(1600, "a", 50)
    assert slow.submit(1605, "b", 50) == [refused("b")]


def test_nor_soon_after_one_that_was_not_measured(slow):
    slow.submit(1600, "a", 50)
    slow.tell(1610, ev.LocalFailed, "a", "out of memory")
    assert slow.outcome("a") is not None
    assert slow.submit(1700, "b", 50) == [refused("b")]
    assert slow.submit(1850, "c", 50)[0] == trial("c", 650)


def test_what_the_profile_forbids_is_refused(slow):
    assert slow.submit(1600, "a", LOCAL_MS - 1) == [refused("a")]


def test_a_trial_that_runs_as_profiled_ends_the_slowness(slow):
    slow.submit(1600, "a", 50)
    assert succeeded("a", Site.EDGE) in slow.local_done(1620, "a")
    assert slow.submit(1621, "b", 50) == [deadline_timer("b", 1671), do.StartLocal("b")]


def test_a_trial_that_is_slow_changes_nothing(slow):
    slow.submit(1600, "a", 250)
    slow.local_done(1600 + 8 * LOCAL_MS, "a")
    assert slow.submit(1800, "b", 100) == [refused("b")]


def test_a_cloud_that_was_slow_is_tried(edge):
    """The local net is not accurate enough; the cloud needed ten times the profiled time."""
    for number in range(5):
        ms = 250 * number
        edge.submit(ms, f"s{number}", 900, accuracy=0.9)
        edge.accepted(ms + 20, f"s{number}", "exit3", 170)
        edge.replied(ms + 190, f"s{number}", "exit3", 170, slowdown=10.0)
    edge.tell(1400, ev.LinkSampled, ns(10), 0, 10.0)
    actions = edge.submit(1600, "a", 60, accuracy=0.9)
    assert actions[0] == trial("a", 410)
    assert isinstance(actions[-1], do.SendToCloud)
    edge.accepted(1620, "a", "exit3", 17)
    edge.replied(1637, "a", "exit3", 17)
    edge.tell(1640, ev.LinkSampled, ns(10))
    assert edge.submit(1641, "b", 60, accuracy=0.9)[0] == deadline_timer("b", 1701)


def test_accuracy_cannot_be_tried(make_edge):
    edge = make_edge()
    assert edge.submit(900, "a", 900, accuracy=1.0) == [refused("a")]
