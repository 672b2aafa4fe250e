"""A device that holds the cloud net, too: `mc` runs it where the local net is not accurate enough.

At QoR 0.9 that is exit3: 50 ms here, and 10 + 10 + 17 = 37 ms by the cloud.
"""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import SendGiveUp, StartLocal
from mc_sched.core.task import Mode, Privacy, Site
from tests.core.round_figures import ANSWER, EVERY_POLICY_LOCAL, PARTITIONED
from tests.core.scripted_edge import (
    ScriptedEdge,
    deadline_timer,
    fallback_timer,
    no_deadline,
    refused,
    sent,
    succeeded,
)

TABLE = replace(EVERY_POLICY_LOCAL, thresholds=())
FINE = {"accuracy": 0.9}
EXIT, HERE_MS, CLOUD_MS, MARGIN_MS = "exit3", 50, 37, 4


@pytest.fixture
def edge():
    return ScriptedEdge(TABLE, PARTITIONED, cloud_net_on_edge=True)


@pytest.fixture
def alone():
    return ScriptedEdge(TABLE, None, cloud_net_on_edge=True)


def test_without_a_cloud_it_answers_at_the_first_good_exit(alone):
    assert alone.submit(0, "a", HERE_MS, **FINE) == [
        deadline_timer("a", HERE_MS), StartLocal("a", EXIT)
    ]  # fmt: skip
    assert alone.local_done(HERE_MS, "a")[-2:] == [
        no_deadline("a"), succeeded("a", Site.EDGE, exit=EXIT, expected_accuracy=0.91)
    ]  # fmt: skip


def test_a_private_picture_stays_and_is_answered(edge):
    assert edge.submit(0, "a", 84, privacy=Privacy.EDGE_ONLY, **FINE)[-1] == StartLocal("a", EXIT)


def test_too_late_here_and_there_is_refused(edge):
    assert edge.submit(0, "a", CLOUD_MS - 1, **FINE) == [refused("a")]


def test_what_the_local_net_can_serve_it_serves(alone):
    assert alone.submit(0, "a", 84)[-1] == StartLocal("a")


def test_a_device_without_it_refuses(make_edge):
    assert make_edge(TABLE, None).submit(0, "a", 84, **FINE) == [refused("a")]


# --- against the cloud ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_the_cheaper_and_quicker_cloud_gets_it_with_a_rescue_of_its_own(edge, mode):
    take_back_ms = 100 - HERE_MS - MARGIN_MS
    assert edge.submit(0, "a", 100, mode=mode, **FINE) == [
        deadline_timer("a", 100),
        fallback_timer("a", take_back_ms),
        sent("a", budget=95, accuracy=0.9, wanted=take_back_ms - 5),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_for_good_if_it_could_not_be_taken_back_once_it_has_spoken(edge, mode):
    deadline_ms = 20 + HERE_MS + MARGIN_MS - 1
    assert edge.submit(0, "a", deadline_ms, mode=mode, **FINE) == [
        deadline_timer("a", deadline_ms), sent("a", budget=deadline_ms - 5, accuracy=0.9)
    ]  # fmt: skip


def test_it_is_taken_back_and_runs_here(edge):
    edge.submit(0, "a", 100, **FINE)
    assert edge.fallback_fires(46, "a") == [SendGiveUp("a"), StartLocal("a", EXIT)]
    assert edge.local_done(96, "a")[-1] == succeeded("a", Site.EDGE, exit=EXIT, gave_up=True)


def test_a_lost_one_too(edge):
    edge.submit(0, "a", 100, **FINE)
    actions = edge.tell(20, ev.CloudLost, "a", "the connection was cut")
    assert StartLocal("a", EXIT) in actions


def test_a_second_task_waits_for_the_long_run(alone):
    alone.submit(0, "a", 84, **FINE)
    assert alone.submit(0, "b", 50 + 20 - 1) == [refused("b")]
    assert alone.submit(0, "c", 50 + 20) == [deadline_timer("c", 70)]
    assert alone.tell(50, ev.LocalDone, "a", ANSWER)[-1] == StartLocal("c")
