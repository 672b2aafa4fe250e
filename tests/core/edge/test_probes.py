"""Probes of the link as actions: when each is sent, and what ends the probing."""

import pytest

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.transitions import PROBING, ProbeState
from tests.core.round_figures import CLOUD, at, ns
from tests.core.scripted_edge import task

INTERVAL_MS = 200
STOP = do.CancelTimer("", TimerKind.PROBE)


def next_probe(ms):
    """The timer for a probe that is to be sent at this moment."""
    return do.SetTimer("", TimerKind.PROBE, at(ms))


@pytest.fixture
def fresh(make_edge):
    return make_edge(warmed_up=False)


def probe_is_due(edge, ms):
    return edge.tell(ms, ev.TimerFired, "", TimerKind.PROBE)


def test_the_first_probe_is_sent_as_soon_as_a_cloud_is_reached(fresh):
    assert fresh.tell(0, ev.CloudReached) == [do.SendProbe()]
    assert fresh.tell(10, ev.LinkSampled, ns(10)) == [next_probe(10 + INTERVAL_MS)]
    assert fresh.tell(10, ev.CloudFound, CLOUD) == []


def test_the_next_one_follows_an_interval_after_the_answer_and_carries_the_last_round_trip(fresh):
    fresh.tell(0, ev.CloudReached)
    fresh.tell(10, ev.LinkSampled, ns(10))
    assert probe_is_due(fresh, 210) == [do.SendProbe(last_rtt_ns=ns(10))]
    assert fresh.tell(222, ev.LinkSampled, ns(12)) == [next_probe(222 + INTERVAL_MS)]
    assert probe_is_due(fresh, 422) == [do.SendProbe(last_rtt_ns=ns(12))]


def test_a_padded_round_trip_is_not_passed_on_to_the_cloud(fresh):
    fresh.tell(0, ev.CloudReached)
    fresh.handle(ev.LinkSampled(at(90), ns(90), up_bytes=8_000))
    assert probe_is_due(fresh, 290) == [do.SendProbe(last_rtt_ns=0)]


def test_a_lost_probe_is_followed_by_another_one(fresh):
    fresh.tell(0, ev.CloudReached)
    assert fresh.tell(1000, ev.ProbeLost, "no answer") == [next_probe(1000 + INTERVAL_MS)]


def test_the_interval_can_be_set_and_changed(make_edge):
    edge = make_edge(warmed_up=False, probe_interval_ns=ns(50))
    edge.tell(0, ev.CloudReached)
    assert edge.tell(10, ev.LinkSampled, ns(10)) == [next_probe(60)]
    edge.tell(20, ev.EdgeReconfigured, EdgeSettings(probe_interval_ns=ns(80)))
    probe_is_due(edge, 60)
    assert edge.tell(70, ev.LinkSampled, ns(10)) == [next_probe(150)]


def test_no_probe_is_sent_to_a_cloud_that_is_gone(fresh):
    fresh.tell(0, ev.CloudReached)
    fresh.tell(10, ev.LinkSampled, ns(10))
    assert fresh.tell(20, ev.CloudGone, "cut") == [STOP]
    assert fresh.tell(21, ev.LinkSampled, ns(10)) == []  # it crossed
    with pytest.raises(UnexpectedEvent, match="TimerFired in state probing=idle"):
        fresh.machine.handle(ev.TimerFired(at(210), "", TimerKind.PROBE))


def test_a_cloud_that_is_reached_again_is_probed_at_once(fresh):
    fresh.tell(0, ev.CloudReached)
    fresh.tell(10, ev.LinkSampled, ns(10))
    assert fresh.tell(20, ev.CloudReached) == [STOP, do.SendProbe(last_rtt_ns=ns(10))]


def test_a_sample_that_no_probe_asked_for_is_learned_and_schedules_none(fresh):
    before_ns = fresh.machine.snapshot(at(0)).rtt_ns
    assert fresh.tell(0, ev.LinkSampled, ns(10)) == []
    assert fresh.machine.snapshot(at(0)).rtt_ns < before_ns
    fresh.tell(0, ev.CloudReached)
    fresh.tell(10, ev.LinkSampled, ns(10))
    assert fresh.tell(11, ev.LinkSampled, ns(10)) == []


def test_a_probe_starts_nothing_that_waits(make_edge):
    """A queued upload is judged again by events of tasks, as before probes were actions."""
    edge = make_edge(max_uploads=1)
    edge.tell(0, ev.CloudReached)
    edge.tell(0, ev.LinkSampled, ns(10))
    edge.handle(ev.Submitted(at(0), task("a", 0, 900, policy="server", accuracy=0.0)))
    edge.handle(ev.Submitted(at(0), task("b", 0, 30, policy="server", accuracy=0.0)))
    assert probe_is_due(edge, 200) == [do.SendProbe(last_rtt_ns=ns(10))]


def test_every_state_of_the_probing_is_reached_and_left():
    assert set(PROBING) == set(ProbeState)
    reached = {target for moves in PROBING.values() for target in moves.values()}
    assert reached == set(ProbeState)
    assert all(set(moves.values()) - {state} for state, moves in PROBING.items())
