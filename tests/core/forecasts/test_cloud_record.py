"""The edge's record of offloads: after a late one, every offload keeps a fallback for a while."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.forecasts.cloud_record import FORGIVEN_NS, CloudRecord
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import (
    NEVER_LATE,
    CloudForecast,
    Offload,
    RunOnEdge,
    SiteForecast,
    View,
)
from mc_sched.core.task import ExitRule, Mode, Task
from tests.core.round_figures import ns

FOR_GOOD = View(
    now_ns=0,
    remaining_ns=ns(84),
    latest_start_ns=ns(30),
    accuracy=0.75,
    mode=Mode.ENERGY,
    exit_rule=ExitRule.ADAPTIVE,
    edge=SiteForecast(0.80, ns(44), ns(50), 0.3),
    cloud=(CloudForecast(0.82, ns(58), ns(64), 0.2, exit="a", codec="jpeg", accepted_ns=ns(44)),),
)
"""The acceptance comes after the latest start, and the cloud is almost certain to be in time."""


def test_tasks_since_a_late_offload_are_counted():
    record = CloudRecord()
    assert (record.in_time, record.tasks_since_late(0)) == (False, NEVER_LATE)
    record.ended(1, in_time=False)
    record.task_came()
    record.ended(2, in_time=True)
    record.task_came()
    assert (record.in_time, record.tasks_since_late(3)) == (True, 2)


def test_a_late_offload_is_forgiven_after_ten_seconds_without_tasks():
    record = CloudRecord()
    record.ended(1, in_time=False)
    assert record.tasks_since_late(FORGIVEN_NS) == 0
    assert record.tasks_since_late(FORGIVEN_NS + 1) == NEVER_LATE


@pytest.mark.parametrize(
    ("since_late", "kind"),
    [(NEVER_LATE, Offload), (200, Offload), (199, RunOnEdge), (0, RunOnEdge)],
)
def test_no_task_is_offloaded_without_fallback_soon_after_a_late_offload(since_late, kind):
    situation = replace(FOR_GOOD, tasks_since_late=since_late, cloud_in_time=True)
    assert isinstance(POLICIES["mc"](Task("a", "s", 0, ns(84)), situation), kind)


@pytest.mark.parametrize(
    "end",
    [
        lambda edge: edge.tell(30, ev.CloudRefused, "a", "full"),
        lambda edge: edge.tell(30, ev.CloudStopped, "a", "too slow"),
        lambda edge: edge.tell(30, ev.CloudLost, "a", "cut"),
        lambda edge: edge.deadline_fires(84, "a"),
    ],
)
def test_an_offload_without_an_answer_in_time_is_late(edge, end):
    edge.submit(0, "a", 84, accuracy=0.9)
    end(edge)
    assert edge.machine._forecast.cloud_record.tasks_since_late(edge.now_ns) == 0


def test_an_offload_with_an_answer_in_time_is_not_late(edge):
    edge.submit(0, "a", 84, accuracy=0.9)
    edge.accepted(20, "a", "exit3")
    edge.replied(37, "a", "exit3")
    assert edge.machine._forecast.cloud_record.in_time
    assert edge.machine._forecast.cloud_record.tasks_since_late(edge.now_ns) >= NEVER_LATE
