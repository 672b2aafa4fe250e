"""On the cloud: give-up and hang-up in every state, the executor's failures, probes."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import RunHead, RunStage, Stop
from mc_sched.core.task import ExitRule
from tests.core.histories import in_head, in_stage, stopping, waiting
from tests.core.round_figures import at, faded, ns

EARLIEST = ExitRule.EARLIEST
unwanted = pytest.mark.parametrize("event", [ev.GiveUpReceived, ev.ClientGone])


def given_up(compute=0.0):
    return Stop("a", "given up", ns(compute))


# --- no longer wanted: after it arrives no further stage of that task starts ------------------


@unwanted
def test_a_waiting_task_is_stopped_at_once(event):
    cloud = waiting()
    assert cloud.tell(1, event, "a") == [given_up()]
    while cloud.piece is not None:
        assert RunStage(("a",), 0) not in cloud.step()
    assert cloud.machine.is_idle


@unwanted
def test_a_running_stage_ends_and_then_the_task_is_stopped(event):
    cloud = in_stage()
    assert cloud.tell(1, event, "a") == []
    assert cloud.step() == [given_up(4)]
    assert cloud.machine.is_idle


@unwanted
def test_a_running_head_ends_and_its_answer_is_not_sent(event):
    cloud = in_head()
    assert cloud.tell(4.5, event, "a") == []
    assert cloud.step() == [given_up(5)]
    assert cloud.machine.is_idle


@unwanted
def test_a_second_one_changes_nothing(event):
    cloud = stopping()
    assert cloud.tell(2, event, "a") == []
    assert cloud.step() == [given_up(4)]


@unwanted
def test_a_give_up_that_crosses_the_reply_changes_nothing(event):
    cloud = in_head()
    cloud.step()
    assert cloud.tell(6, event, "a") == []


@unwanted
def test_one_for_a_task_that_never_came_changes_nothing(cloud, event):
    assert cloud.tell(0, event, "a") == []


@unwanted
def test_a_give_up_of_a_refused_task_changes_nothing(cloud, event):
    cloud.arrive(0, "a", 5)
    assert cloud.tell(1, event, "a") == []


@unwanted
def test_the_executor_turns_to_the_next_task(event):
    cloud = in_stage()
    cloud.arrive(1, "b", 900)
    cloud.tell(2, event, "a")
    assert cloud.step() == [given_up(4), RunStage(("b",), 0)]


@unwanted
def test_between_its_stages_a_task_is_stopped_at_once(cloud, event):
    cloud.arrive(0, "a", 500, accuracy=0.94)
    cloud.arrive(1, "soon", 100)
    assert cloud.step() == [RunStage(("soon",), 0)]
    assert cloud.tell(5, event, "a") == [given_up(4)]
    assert cloud.step() == [RunStage(("soon",), 1)]


# --- the executor fails -----------------------------------------------------------------------


@pytest.mark.parametrize(("history", "compute"), [(in_stage, 0), (in_head, 4), (stopping, 0)])
def test_a_failure_ends_the_task_with_the_executors_reason(history, compute):
    cloud = history()
    stopped = Stop("a", "out of memory", ns(compute), failed=True)
    assert cloud.fail(6, "a", "out of memory") == [stopped]
    assert cloud.machine.is_idle


def test_a_failure_frees_the_executor():
    cloud = in_stage()
    cloud.arrive(1, "b", 900)
    assert cloud.fail(3, "a")[-1] == RunStage(("b",), 0)


# --- the load in a probe's answer---------------------------------------------------------------


def test_an_idle_cloud_has_no_queue(cloud):
    load = cloud.machine.load(at(0))
    assert (load.queue_ns, load.slowdown, load.tasks) == (0, 1.0, 0)


def test_the_queue_is_all_work_that_is_left(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.arrive(0, "b", 100, accuracy=0.94, rule=EARLIEST)
    assert cloud.queue_ms(0) == 9 + 21
    assert cloud.queue_ms(3) == 6 + 21
    assert cloud.machine.load(at(3)).tasks == 2


def test_an_overdue_stage_hides_no_work_behind_it(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    assert cloud.queue_ms(9) == 4 + 1


def test_a_stage_of_a_task_that_is_being_stopped_counts_until_it_ends(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.tell(1, ev.GiveUpReceived, "a")
    assert cloud.queue_ms(1) == 3
    cloud.step()
    assert cloud.queue_ms(4) == 0


def test_a_running_head_is_all_that_is_left_of_its_task(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.step()
    assert cloud.step() == [RunHead(("a",), "exit1")]
    assert cloud.queue_ms(8.5) == 0.5


def test_the_slowdown_is_measured_over_profiled_time(cloud):
    cloud.arrive(0, "a", 500, rule=EARLIEST)
    cloud.step(took=14)
    assert cloud.machine.load(at(14)).slowdown == pytest.approx(faded(1, 1, 1, 1, 3.5))
