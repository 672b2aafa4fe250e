"""What waits for the cloud's decoder: refused before it costs time, and told to who asks."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Refuse
from mc_sched.core.tables import Codec
from tests.core.round_figures import CLOUD, at, ns

SLOW = replace(CLOUD, codecs=(Codec("jpeg", 0, ns(10)),))
"""10 ms to decode; the first exit of 0.75 is 9 ms behind the input."""


@pytest.fixture
def cloud(make_cloud):
    return make_cloud(SLOW)


def receive(cloud, ms, task_id, budget=200, accuracy=0.75):
    return cloud.tell(ms, ev.Received, task_id, "edge", accuracy, ns(budget), ns(5))


def test_a_payload_that_waits_for_the_decoder_is_work_that_waits(cloud):
    assert receive(cloud, 0, "a") == []
    assert cloud.machine.awaits("a")
    assert cloud.queue_ms(0) == 10  # by then the executor will have had its 9 ms
    assert cloud.machine.load(at(0)).tasks == 1
    receive(cloud, 0, "b")
    assert cloud.queue_ms(0) == 20
    assert cloud.queue_ms(4) == 18  # two paths of 9 ms, while the decoder has 16 ms left


def test_what_is_decoded_waits_for_the_executor_alone(cloud):
    receive(cloud, 0, "a")
    (accepted, *_) = cloud.arrive(10, "a", 190)
    assert isinstance(accepted, Accept)
    assert not cloud.machine.awaits("a")
    assert cloud.queue_ms(10) == 9


def test_one_that_would_be_late_behind_the_decoder_is_refused_before_it_costs_time(cloud):
    receive(cloud, 0, "a")
    receive(cloud, 0, "b")
    needed = 20 + 10 + 9 + 5
    assert receive(cloud, 0, "c", budget=needed) == []
    (refused,) = receive(cloud, 0, "d", budget=needed + 9)
    assert isinstance(refused, Refuse)
    assert "ms are left" in refused.reason
    assert not cloud.machine.awaits("d")


@pytest.mark.parametrize("event", [ev.GiveUpReceived, ev.ClientGone])
def test_one_that_is_no_longer_wanted_waits_no_more(cloud, event):
    receive(cloud, 0, "a")
    cloud.tell(1, event, "a")
    assert not cloud.machine.awaits("a")
    assert (cloud.queue_ms(1), cloud.machine.is_idle) == (0, True)


def test_the_limit_of_tasks_counts_those_before_the_decoder(make_cloud):
    cloud = make_cloud(SLOW, max_tasks=1)
    receive(cloud, 0, "a")
    (refused,) = receive(cloud, 0, "b")
    assert "the limit max_tasks" in refused.reason


def test_a_decoded_one_is_not_counted_twice(make_cloud):
    cloud = make_cloud(SLOW, max_tasks=1)
    receive(cloud, 0, "a")
    assert isinstance(cloud.arrive(10, "a", 190)[0], Accept)


def test_a_draining_cloud_decodes_nothing_new(cloud):
    cloud.tell(0, ev.Drain)
    (refused,) = receive(cloud, 1, "a")
    assert refused.reason == "the agent is shutting down"
