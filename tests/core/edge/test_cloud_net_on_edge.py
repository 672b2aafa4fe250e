"""A device that also holds the cloud net: `mc` runs it if the local net is not accurate enough.

At QoR 0.9 that is exit3: 50 ms on the edge, and 10 + 10 + 17 = 37 ms in the cloud.
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
EXIT, DEVICE_MS, CLOUD_MS, MARGIN_MS = "exit3", 50, 37, 4


@pytest.fixture
def edge():
    return ScriptedEdge(TABLE, PARTITIONED, cloud_net_on_edge=True)


@pytest.fixture
def alone():
    return ScriptedEdge(TABLE, None, cloud_net_on_edge=True)


def test_without_a_cloud_the_cloud_net_answers_at_the_first_good_exit(alone):
    assert alone.submit(0, "a", DEVICE_MS, **FINE) == [
        deadline_timer("a", DEVICE_MS), StartLocal("a", EXIT)
    ]  # fmt: skip
    assert alone.local_done(DEVICE_MS, "a")[-2:] == [
        no_deadline("a"), succeeded("a", Site.EDGE, exit=EXIT, expected_accuracy=0.91)
    ]  # fmt: skip


def test_a_private_image_stays_and_is_answered(edge):
    assert edge.submit(0, "a", 84, privacy=Privacy.EDGE_ONLY, **FINE)[-1] == StartLocal("a", EXIT)


def test_a_task_that_is_too_late_at_both_sites_is_refused(edge):
    assert edge.submit(0, "a", CLOUD_MS - 1, **FINE) == [refused("a")]


def test_the_local_net_runs_if_it_is_accurate_enough(alone):
    assert alone.submit(0, "a", 84)[-1] == StartLocal("a")


def test_a_device_without_the_cloud_net_refuses(make_edge):
    assert make_edge(TABLE, None).submit(0, "a", 84, **FINE) == [refused("a")]


# --- against the cloud ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_a_cheaper_and_faster_cloud_gets_the_task_with_the_cloud_net_as_fallback(edge, mode):
    fallback_ms = 100 - DEVICE_MS - MARGIN_MS
    assert edge.submit(0, "a", 100, mode=mode, **FINE) == [
        deadline_timer("a", 100),
        fallback_timer("a", fallback_ms),
        sent("a", budget=95, accuracy=0.9, reply_in=fallback_ms - 5),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_a_task_has_no_fallback_if_the_acceptance_comes_after_the_latest_start(edge, mode):
    deadline_ms = 20 + DEVICE_MS + MARGIN_MS - 1
    assert edge.submit(0, "a", deadline_ms, mode=mode, **FINE) == [
        deadline_timer("a", deadline_ms), sent("a", budget=deadline_ms - 5, accuracy=0.9)
    ]  # fmt: skip


def test_a_fallback_runs_the_cloud_net_on_the_device(edge):
    edge.submit(0, "a", 100, **FINE)
    assert edge.fallback_fires(46, "a") == [SendGiveUp("a"), StartLocal("a", EXIT)]
    assert edge.local_done(96, "a")[-1] == succeeded("a", Site.EDGE, exit=EXIT, gave_up=True)


def test_a_lost_offload_falls_back_to_the_cloud_net_on_the_device(edge):
    edge.submit(0, "a", 100, **FINE)
    actions = edge.tell(20, ev.CloudLost, "a", "the connection was cut")
    assert StartLocal("a", EXIT) in actions


def test_a_second_task_waits_for_the_long_run(alone):
    alone.submit(0, "a", 84, **FINE)
    assert alone.submit(0, "b", 50 + 20 - 1) == [refused("b")]
    assert alone.submit(0, "c", 50 + 20) == [deadline_timer("c", 70)]
    assert alone.tell(50, ev.LocalDone, "a", ANSWER)[-1] == StartLocal("c")
