"""The edge's queue for the local net: earliest deadline first, waits counted, only if feasible."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import events as ev
from mc_sched.core.actions import AbortLocal, StartLocal
from mc_sched.core.scores import Predictor
from mc_sched.core.task import Site
from tests.core.round_figures import MS, at, ns
from tests.core.scripted_edge import (
    ScriptedEdge,
    deadline_timer,
    failed,
    late,
    no_deadline,
    refused,
    succeeded,
)

LITTLE = 1e-3


@pytest.fixture
def edge(make_edge):
    """An edge that works alone."""
    return make_edge(policy="edge-only")


def test_one_local_inference_at_a_time(edge):
    assert edge.submit(0, "a", 84) == [deadline_timer("a", 84), StartLocal("a")]
    assert edge.submit(1, "b", 84) == [deadline_timer("b", 85)]
    assert edge.local_done(20, "a") == [
        no_deadline("a"),
        succeeded("a", Site.EDGE),
        StartLocal("b"),
    ]


def test_the_earliest_deadline_goes_first(edge):
    edge.submit(0, "a", 84)
    edge.submit(1, "late", 300)
    edge.submit(2, "later", 400)
    edge.submit(3, "soon", 100)
    assert edge.local_done(20, "a")[-1] == StartLocal("soon")
    assert edge.local_done(40, "soon")[-1] == StartLocal("late")
    assert edge.local_done(60, "late")[-1] == StartLocal("later")


def test_equal_deadlines_run_in_order_of_arrival(edge):
    edge.submit(0, "a", 84)
    for number in range(3):
        edge.submit(1, f"b{number}", 200)
    assert edge.local_done(20, "a")[-1] == StartLocal("b0")
    assert edge.local_done(40, "b0")[-1] == StartLocal("b1")
    assert edge.local_done(60, "b1")[-1] == StartLocal("b2")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1_000, 2_000), min_size=1, max_size=12))
def test_the_earliest_deadline_goes_first_in_any_order_of_arrival(deadlines):
    edge = ScriptedEdge(policy="edge-only")
    edge.submit(0, "first", 900)
    for number, deadline in enumerate(deadlines):
        edge.submit(0, f"{deadline}/{number:02}", deadline)
    order, running, ms = [], "first", 0
    while running:
        ms += 20
        started = [a.task_id for a in edge.local_done(ms, running) if isinstance(a, StartLocal)]
        running = started[0] if started else None
        order += started
    assert order == sorted(order, key=lambda name: (int(name.split("/")[0]), name[-2:]))
    assert len(order) == len(deadlines)


# --- the wait counts --------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "left"), [(0, 20), (5, 15), (19, 1), (25, 0)])
def test_the_rest_of_the_current_run_counts_as_wait(edge, ms, left):
    edge.submit(0, "a", 84)
    assert edge.submit(ms, "b", left + 20 - LITTLE) == [refused("b")]
    assert edge.submit(ms, "c", left + 20) == [deadline_timer("c", ms + left + 20)]


def test_a_slow_layer_counts_at_once(edge):
    edge.submit(0, "a", 84)
    edge.tell(8, ev.LocalLayerDone, "a", 0)  # 5 ms in the profile; 15 are left
    assert edge.submit(8, "b", 35 - LITTLE) == [refused("b")]
    assert edge.submit(8, "c", 35) == [deadline_timer("c", 43)]


def test_a_run_past_its_half_is_forecast_by_its_own_slowdown(edge):
    edge.submit(0, "a", 84)
    for layer in range(3):
        edge.tell(10 * (layer + 1), ev.LocalLayerDone, "a", layer)  # twice as slow as profiled
    assert edge.submit(30, "b", 30 - LITTLE) == [refused("b")]
    assert edge.submit(30, "c", 30) == [deadline_timer("c", 60)]


def test_queued_tasks_that_are_due_earlier_count(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 50)
    assert edge.submit(0, "c", 60 - LITTLE) == [refused("c")]
    assert edge.submit(0, "d", 60) == [deadline_timer("d", 60)]


def test_queued_tasks_that_are_due_later_do_not_count(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 70)
    assert edge.submit(0, "c", 40) == [deadline_timer("c", 40)]
    assert edge.local_done(20, "a")[-1] == StartLocal("c")


def test_a_task_in_its_upload_does_not_count(make_edge):
    edge = make_edge()
    edge.submit(0, "a", 84)
    assert edge.submit(0, "b", 20, policy="edge-only")[-1] == StartLocal("b")


def test_the_prediction_includes_the_wait(edge):
    edge.submit(0, "a", 84)
    edge.submit(5, "b", 84)
    edge.local_done(20, "a")
    edge.local_done(40, "b")
    assert edge.outcome("b").predicted_ns == edge.outcome("b").latency_ns == ns(35)


# --- tasks that cannot be in time any more ----------------------------------------------------


def test_a_queued_task_that_can_still_be_in_time_starts(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 51)
    assert edge.local_done(28, "a")[-1] == StartLocal("b")  # the mean is now 22.1 ms


def test_an_infeasible_queued_task_is_not_started_and_is_late_at_its_deadline(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 50)
    assert edge.local_done(35, "a") == [no_deadline("a"), succeeded("a", Site.EDGE)]
    assert edge.deadline_fires(50, "b") == [late("b", site=None, latency_ns=ns(50))]


def test_an_infeasible_queued_task_does_not_keep_the_next_from_starting(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 50)
    edge.submit(0, "c", 84)
    assert edge.local_done(35, "a")[-1] == StartLocal("c")


def test_an_infeasible_queued_task_does_not_count_as_wait(edge):
    edge.submit(0, "a", 84)
    edge.submit(0, "b", 50)
    edge.local_done(35, "a")  # b cannot be in time; the edge is free; a run now takes 35 ms at most
    assert edge.submit(36, "c", 40) == [deadline_timer("c", 76), StartLocal("c")]


def test_a_task_that_was_just_admitted_is_started_on_an_idle_edge(make_edge):
    edge = make_edge(policy="edge-only", quantile=0.5)
    edge.submit(0, "x", 84)
    edge.local_done(40, "x")  # a median of 20 ms, a mean of 24
    assert edge.submit(50, "a", 22) == [deadline_timer("a", 72), StartLocal("a")]


# --- leaving the queue ------------------------------------------------------------------------


def test_a_queued_task_whose_client_left_is_not_started(edge):
    edge.submit(0, "a", 84)
    edge.submit(1, "b", 84)
    assert edge.tell(2, ev.ClientGone, "b") == [no_deadline("b"), failed("b")]
    assert edge.local_done(20, "a") == [no_deadline("a"), succeeded("a", Site.EDGE)]


def test_the_next_one_starts_when_the_aborted_run_has_ended(edge):
    """The executor stops between two layers; until then it is not free."""
    edge.submit(0, "a", 84)
    edge.submit(1, "b", 84)
    assert edge.tell(2, ev.ClientGone, "a") == [no_deadline("a"), AbortLocal("a"), failed("a")]
    assert edge.tell(5, ev.LocalAborted, "a") == [StartLocal("b")]


def test_an_aborted_run_is_a_wait_of_one_layer_at_most(edge):
    edge.submit(0, "a", 84)
    edge.tell(2, ev.ClientGone, "a")
    assert edge.submit(2, "b", 30) == [deadline_timer("b", 32)]


def test_a_run_whose_start_is_reported_after_its_abort_is_a_wait_of_one_layer_at_most(edge):
    edge.submit(0, "a", 84)
    edge.tell(1, ev.ClientGone, "a")
    edge.tell(2, ev.LocalStarted, "a")
    assert edge.submit(2, "b", 30) == [deadline_timer("b", 32)]


def test_an_aborted_run_that_still_answers_frees_the_edge(edge):
    edge.submit(0, "a", 84)
    edge.submit(1, "b", 84)
    edge.tell(18, ev.ClientGone, "a")
    assert edge.local_done(20, "a") == [StartLocal("b")]


def test_a_failed_run_frees_the_edge(edge):
    edge.submit(0, "a", 84)
    edge.submit(1, "b", 84)
    assert edge.tell(5, ev.LocalFailed, "a", "out of memory") == [
        no_deadline("a"),
        failed("a", reason="local net: out of memory", latency_ns=5 * MS),
        StartLocal("b"),
    ]


# --- max_tasks --------------------------------------------------------------------------------


def test_tasks_beyond_max_tasks_are_refused(make_edge):
    edge = make_edge(policy="edge-only", max_tasks=2)
    edge.submit(0, "a", 900)
    edge.submit(0, "b", 900)
    reason = "2 tasks are open already, the limit max_tasks"
    assert edge.submit(0, "c", 900) == [refused("c", reason=reason)]
    edge.local_done(20, "a")
    assert edge.submit(20, "d", 900) == [deadline_timer("d", 920)]


def test_a_task_that_has_its_outcome_does_not_count_as_open(make_edge):
    edge = make_edge(max_tasks=1)
    edge.submit(0, "a", 84, accuracy=0.9)
    edge.deadline_fires(84, "a")
    assert edge.submit(85, "b", 84)[0] == deadline_timer("b", 169)


# --- what a run teaches -------------------------------------------------------------------------


def test_a_run_starts_once_in_the_predictor_and_counts_from_its_actual_start(edge, monkeypatch):
    started, local = [], edge.machine._forecast.local
    start = local.started
    monkeypatch.setattr(
        local, "started", lambda *fields: started.append(fields[0]) or start(*fields)
    )
    edge.submit(0, "a", 84)
    edge.tell(3, ev.LocalStarted, "a")
    assert started == [at(0)]
    edge.local_done(23, "a")
    assert edge.scored(Predictor.LOCAL).actual_ns == ns(20)
