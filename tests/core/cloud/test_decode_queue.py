"""Decoding on the cloud: its order, its wait, refusals before it, give-ups during it."""

from dataclasses import replace

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Decode, Refuse, Reject, RunStage, Stop
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.tables import Codec
from mc_sched.core.task import RefusalCode
from tests.core.round_figures import CLOUD, at, ns

SLOW = replace(CLOUD, codecs=(Codec("jpeg", 0, ns(10)),))
"""10 ms to decode; the first exit of 0.75 is 9 ms behind the input."""


@pytest.fixture
def cloud(make_cloud):
    return make_cloud(SLOW)


def receive(cloud, ms, task_id, budget=200, accuracy=0.75):
    return cloud.tell(ms, ev.Received, task_id, "edge", accuracy, ns(budget), ns(5))


def refusal(actions):
    (refused,) = actions
    assert isinstance(refused, Refuse)
    return refused


def test_a_payload_is_decoded_at_once_by_an_idle_decoder(cloud):
    assert receive(cloud, 0, "a") == [Decode("a", "jpeg")]


def test_payloads_are_decoded_one_by_one_by_their_deadlines(cloud):
    receive(cloud, 0, "a")
    assert receive(cloud, 1, "b", budget=300) == receive(cloud, 2, "c") == []
    *_, following = cloud.decoded(10, "a")
    assert following == Decode("c", "jpeg")
    assert cloud.decoded(20, "c")[-1] == Decode("b", "jpeg")
    assert isinstance(cloud.decoded(30, "b")[0], Accept)


def test_a_payload_that_waits_for_the_decoder_is_work_that_waits(cloud):
    receive(cloud, 0, "a")
    assert cloud.queue_ms(0) == 10  # by then the executor will have had its 9 ms
    assert cloud.machine.load(at(0)).tasks == 1
    receive(cloud, 0, "b")
    assert cloud.queue_ms(0) == 20
    assert cloud.queue_ms(4) == 18  # two paths of 9 ms, while the decoder has 16 ms left


def test_a_decoded_task_waits_for_the_executor_alone(cloud):
    receive(cloud, 0, "a")
    assert cloud.decoded(10, "a") == [Accept("a", "exit1", ns(9), 0), RunStage(("a",), 0)]
    assert cloud.queue_ms(10) == 9


def test_the_time_in_the_decoder_is_taken_off_the_budget(cloud):
    receive(cloud, 0, "a", budget=12 + 9 + 5)
    assert isinstance(cloud.decoded(12, "a")[0], Accept)
    cloud.tell(13, ev.GiveUpReceived, "a")
    cloud.step()
    receive(cloud, 100, "b", budget=12 + 9 + 5)
    refused = refusal(cloud.decoded(112.5, "b"))
    assert refused.reason == "the first acceptable exit needs 9.0 ms, 8.5 ms are left"
    assert refused.code is RefusalCode.INFEASIBLE


def test_a_task_that_would_be_late_behind_the_decoder_is_refused_before_it_costs_time(cloud):
    receive(cloud, 0, "a", budget=40)
    receive(cloud, 0, "b", budget=40)
    needed = 20 + 10 + 9 + 5
    assert receive(cloud, 0, "c", budget=needed) == []
    refused = refusal(receive(cloud, 0, "d", budget=needed + 9))
    assert "ms are left" in refused.reason
    assert refused.code is RefusalCode.INFEASIBLE
    assert cloud.machine._state.decoding.find("d") is None


# --- give-ups ---------------------------------------------------------------------------------

unwanted = pytest.mark.parametrize("event", [ev.GiveUpReceived, ev.ClientGone])
GIVEN_UP = "given up before its first stage"


@unwanted
def test_a_payload_that_is_given_up_while_it_waits_is_never_decoded(cloud, event):
    receive(cloud, 0, "x")
    receive(cloud, 0, "a")
    receive(cloud, 0, "b")
    assert cloud.tell(1, event, "a") == [Stop("a", GIVEN_UP, 0)]
    assert cloud.machine._state.decoding.find("a") is None
    assert cloud.queue_ms(1) == 19
    assert cloud.decoded(10, "x")[-1] == Decode("b", "jpeg")


@unwanted
def test_a_payload_that_is_given_up_in_the_decoder_goes_no_further(cloud, event):
    receive(cloud, 0, "a")
    receive(cloud, 0, "b")
    assert cloud.tell(1, event, "a") == []
    assert cloud.queue_ms(1) == 19  # the decoder continues with it
    assert cloud.decoded(10, "a") == [Stop("a", GIVEN_UP, 0), Decode("b", "jpeg")]
    assert cloud.tell(11, event, "b") == []
    assert cloud.decoded(20, "b") == [Stop("b", GIVEN_UP, 0)]
    assert (cloud.queue_ms(20), cloud.machine.is_idle) == (0, True)


@unwanted
def test_a_payload_that_is_given_up_twice_has_one_end(cloud, event):
    receive(cloud, 0, "a")
    cloud.tell(1, event, "a")
    assert cloud.tell(2, event, "a") == []
    assert cloud.decoded(10, "a") == [Stop("a", GIVEN_UP, 0)]


# --- payloads that cannot be decoded ----------------------------------------------------------


@pytest.mark.parametrize("invalid", [True, False])
def test_a_payload_that_cannot_be_decoded_is_rejected_and_the_next_one_decoded(cloud, invalid):
    receive(cloud, 0, "a")
    receive(cloud, 0, "b")
    actions = cloud.tell(5, ev.DecodeFailed, "a", "not a JPEG", invalid)
    assert actions == [Reject("a", "not a JPEG", invalid), Decode("b", "jpeg")]


def test_a_payload_that_is_given_up_and_cannot_be_decoded_is_stopped(cloud):
    receive(cloud, 0, "a")
    cloud.tell(1, ev.GiveUpReceived, "a")
    assert cloud.tell(5, ev.DecodeFailed, "a", "not a JPEG", True) == [Stop("a", GIVEN_UP, 0)]
    assert cloud.machine.is_idle


@pytest.mark.parametrize("event", [ev.Decoded(at(1), "b", ns(1)), ev.Decoded(at(1), "c", ns(1))])
def test_a_payload_that_the_decoder_is_not_at_cannot_be_decoded(cloud, event):
    receive(cloud, 0, "a")
    receive(cloud, 0, "b")
    with pytest.raises(UnexpectedEvent, match="Decoded in state not decoding it"):
        cloud.machine.handle(event)


# --- the limit of tasks, and the end ----------------------------------------------------------


def test_the_limit_of_tasks_counts_those_before_the_decoder(make_cloud):
    cloud = make_cloud(SLOW, max_tasks=1)
    receive(cloud, 0, "a")
    refused = refusal(receive(cloud, 0, "b"))
    assert "the limit max_tasks" in refused.reason
    assert refused.code is RefusalCode.TOO_MANY_TASKS


def test_a_decoded_task_is_not_counted_twice(make_cloud):
    cloud = make_cloud(SLOW, max_tasks=1)
    receive(cloud, 0, "a")
    assert isinstance(cloud.decoded(10, "a")[0], Accept)


def test_a_draining_cloud_decodes_nothing_new(cloud):
    cloud.tell(0, ev.Drain)
    refused = refusal(receive(cloud, 1, "a"))
    assert refused.reason == "the agent is shutting down"
    assert refused.code is RefusalCode.DRAINING
