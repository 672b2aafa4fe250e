"""An event that no state expects raises an error with the task's story, and changes nothing."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.errors import MachineError, UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import Site
from mc_sched.core.transitions import CLOUD_LEG, LOCAL_LEG, CloudState
from tests.core.histories import (
    CLOUD_LEGS,
    CLOUD_STATES,
    LOCAL_LEGS,
    given_up,
    in_head,
    in_stage,
    running_in_the_cloud,
)
from tests.core.round_figures import ANSWER, CLOUD, LOCAL, at, ns
from tests.core.scripted_edge import succeeded, task

LATER = at(81)
LOCAL_EVENTS = (
    ev.LocalStarted(LATER, "a"),
    ev.LocalLayerDone(LATER, "a", 0),
    ev.LocalDone(LATER, "a", ANSWER),
    ev.LocalAborted(LATER, "a"),
    ev.LocalFailed(LATER, "a", "out of memory"),
)
CALL_EVENTS = (
    ev.CloudAccepted(LATER, "a", "exit1", ns(9), 0),
    ev.CloudRefused(LATER, "a", "full"),
    ev.CloudProgressed(LATER, "a", 0, ns(5)),
    ev.CloudReplied(LATER, "a", "exit1", ANSWER, ns(9), 0, 1.0, 400),
    ev.CloudStopped(LATER, "a", "given up"),
    ev.CloudLost(LATER, "a", "cut"),
)


def name_of(event):
    return type(event).__name__


def unlisted(table, histories, events):
    """Every pair of state and event for which a leg's table has no move."""
    return [
        pytest.param(leg, event, id=f"{name_of(event)} in {leg.value}")
        for leg in histories
        for event in events
        if name_of(event) not in table[leg]
    ]


def legs_of(edge):
    return {name: (entry.local, entry.cloud) for name, entry in edge.machine._tasks.items()}


# --- the edge ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("leg", "event"), unlisted(LOCAL_LEG, LOCAL_LEGS, LOCAL_EVENTS))
def test_an_event_that_the_local_leg_does_not_expect_is_an_error(leg, event):
    _is_refused(LOCAL_LEGS[leg](), event, f"local={leg.value}")


@pytest.mark.parametrize(("leg", "event"), unlisted(CLOUD_LEG, CLOUD_LEGS, CALL_EVENTS))
def test_an_event_that_the_cloud_leg_does_not_expect_is_an_error(leg, event):
    _is_refused(CLOUD_LEGS[leg](), event, f"cloud={leg.value}")


def _is_refused(edge, event, state):
    before = legs_of(edge)
    with pytest.raises(UnexpectedEvent) as caught:
        edge.machine.handle(event)
    reports = str(caught.value)
    assert reports.startswith(f"edge machine: {name_of(event)} in state ")
    assert state in reports
    assert "a: deadline 84.0 ms" in reports
    assert "ms  Submitted" in reports
    assert legs_of(edge) == before
    edge.machine.validate()
    edge.wind_up()


@pytest.mark.parametrize("event", [*LOCAL_EVENTS, *CALL_EVENTS], ids=name_of)
def test_an_event_of_an_unknown_task_is_an_error(edge, event):
    with pytest.raises(UnexpectedEvent, match=f"{name_of(event)} in state unknown task"):
        edge.machine.handle(event)


def test_the_story_has_every_step_with_its_time():
    edge = given_up()
    with pytest.raises(UnexpectedEvent) as caught:
        edge.machine.handle(ev.LocalAborted(at(61), "a"))
    assert str(caught.value).splitlines() == [
        "edge machine: LocalAborted in state local=running cloud=given_up open=True; its story:",
        "  a: deadline 84.0 ms",
        "      0.00 ms  Submitted",
        "     20.00 ms  CloudAccepted",
        "     20.00 ms  the upload took 20.00 ms, forecast 20.00 ms, at most 20.00 ms",
        "     60.00 ms  TimerFired fallback",
        "     60.00 ms  the offload had not ended after 60.00 ms, "
        "forecast 29.00 ms, at most 29.00 ms",
        "     61.00 ms  LocalAborted",
    ]


@pytest.mark.parametrize("kind", [TimerKind.FALLBACK, TimerKind.DEADLINE])
def test_a_timer_of_a_task_that_is_over_is_an_error(edge, kind):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    with pytest.raises(UnexpectedEvent, match=r"TimerFired in state unknown task"):
        edge.machine.handle(ev.TimerFired(at(84), "a", kind))


def test_a_timer_that_was_not_set_is_an_error(edge):
    edge.submit(0, "a", 84, accuracy=0.9)
    with pytest.raises(UnexpectedEvent, match="no such timer"):
        edge.machine.handle(ev.TimerFired(at(60), "a", TimerKind.FALLBACK))


def test_a_timer_that_has_fired_already_is_an_error(edge):
    edge.submit(0, "a", 84)
    edge.fallback_fires(60, "a")
    with pytest.raises(UnexpectedEvent, match="no such timer"):
        edge.machine.handle(ev.TimerFired(at(61), "a", TimerKind.FALLBACK))


def test_a_timer_that_was_cancelled_is_an_error(edge):
    edge.submit(0, "a", 84)
    edge.tell(5, ev.CloudLost, "a", "cut")
    with pytest.raises(UnexpectedEvent, match="no such timer"):
        edge.machine.handle(ev.TimerFired(at(60), "a", TimerKind.FALLBACK))


def test_a_second_task_of_the_same_id_is_an_error(edge):
    edge.submit(0, "a", 84)
    with pytest.raises(UnexpectedEvent, match=r"second task a in state open") as caught:
        edge.machine.handle(ev.Submitted(at(1), task("a", 1, 84)))
    assert "0.00 ms  Submitted" in str(caught.value)
    edge.accepted(20, "a")
    assert edge.replied(29, "a")[-1] == succeeded("a", Site.CLOUD)


def test_a_second_try_of_the_same_id_is_an_error_and_leaves_the_qor_alone(edge):
    edge.unsatisfied(0, "a", "a+1", 84)
    with pytest.raises(UnexpectedEvent):
        edge.machine.handle(ev.NotSatisfied(at(1), "a", task("a+1", 1, 84)))
    edge.submit(2, "b", 1)
    assert edge.outcome("b").required_accuracy == 0.80


def test_an_answer_of_an_exit_that_the_cloud_net_lacks_is_an_error():
    edge = running_in_the_cloud()
    with pytest.raises(MachineError):
        edge.machine.handle(ev.CloudReplied(at(29), "a", "exit9", ANSWER, ns(9), 0, 1.0, 400))


# --- the cloud --------------------------------------------------------------------------------

PIECES = {
    "StageDone": lambda ms: ev.StageDone(at(ms), ("a",), 0, ns(4)),
    "HeadDone": lambda ms: ev.HeadDone(at(ms), ("a",), "exit0", (ANSWER,), ns(1)),
    "ExecutorFailed": lambda ms: ev.ExecutorFailed(at(ms), ("a",), "out of memory"),
}


@pytest.mark.parametrize("piece", PIECES)
def test_the_end_of_a_piece_of_a_waiting_task_is_an_error(piece):
    cloud = CLOUD_STATES[CloudState.WAITING]()
    with pytest.raises(UnexpectedEvent, match=f"{piece} in state not working on it") as caught:
        cloud.machine.handle(PIECES[piece](5))
    assert "a: budget 300.0 ms" in str(caught.value)
    assert "0.00 ms  Received\n      0.00 ms  Decoded" in str(caught.value)
    cloud.machine.validate()
    cloud.wind_up()


@pytest.mark.parametrize("piece", PIECES)
def test_the_end_of_a_piece_of_an_unknown_task_is_an_error(cloud, piece):
    with pytest.raises(UnexpectedEvent, match=f"{piece} in state not working on it"):
        cloud.machine.handle(PIECES[piece](5))


@pytest.mark.parametrize(
    ("history", "piece", "at_work_on"),
    [(in_stage, "HeadDone", "RunStage"), (in_head, "StageDone", "RunHead")],
)
def test_the_end_of_another_piece_than_the_running_one_is_an_error(history, piece, at_work_on):
    cloud = history()
    with pytest.raises(
        UnexpectedEvent, match=rf"cloud machine: {piece}\(.* in state at {at_work_on}"
    ):
        cloud.machine.handle(PIECES[piece](6))


@pytest.mark.parametrize(("history", "piece"), [(in_stage, "HeadDone"), (in_head, "StageDone")])
def test_the_end_of_another_piece_changes_nothing(history, piece):
    cloud = history()
    with pytest.raises(UnexpectedEvent):
        cloud.machine.handle(PIECES[piece](6))
    cloud.machine.validate()


@pytest.mark.parametrize(
    ("history", "event"),
    [
        (in_stage, ev.StageDone(at(6), ("a",), 3, ns(4))),
        (in_head, ev.HeadDone(at(6), ("a",), "exit3", (ANSWER,), ns(1))),
    ],
)
def test_the_end_of_a_piece_that_was_not_requested_is_an_error(history, event):
    with pytest.raises(UnexpectedEvent):
        history().machine.handle(event)


def test_a_second_task_of_the_same_id_in_the_cloud_is_an_error(cloud):
    cloud.arrive(0, "a", 100)
    with pytest.raises(UnexpectedEvent, match=r"second task a in state open"):
        cloud.machine.handle(ev.Received(at(1), "a", "edge", 0.75, ns(100), ns(5)))


# --- the errors themselves --------------------------------------------------------------------


def test_the_story_of_a_machine_without_events_is_empty():
    machine = CloudMachine(CloudSettings(), CLOUD)
    with pytest.raises(UnexpectedEvent, match="its story:\n  a"):
        machine.handle(PIECES["StageDone"](0))
    assert "(no events yet)" in str(UnexpectedEvent("edge", "idle", "LocalDone", ()))


def test_every_event_has_a_handler():
    """An event without a handler would raise KeyError in a driver."""
    assert set(EdgeMachine(EdgeSettings(), LOCAL)._handlers) == set(ev.EdgeEvent.__args__)
    assert set(CloudMachine(CloudSettings(), CLOUD)._handlers) == set(ev.CloudEvent.__args__)
