"""Algorithm I, step 8: "not satisfied" raises the stream's QoR and runs the image again."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import StartLocal
from mc_sched.core.edge.stats import REMEMBERED_STREAMS
from mc_sched.core.task import Site
from tests.core.round_figures import ns
from tests.core.scripted_edge import deadline_timer, fallback_timer, refused, sent, succeeded


def required(edge, ms, task_id, **fields):
    edge.submit(ms, task_id, 900, **fields)
    edge.tell(ms, ev.ClientGone, task_id)
    return edge.outcome(task_id).required_accuracy


def test_not_satisfied_raises_the_qor_by_one_step_and_processes_the_task_again(edge):
    edge.submit(0, "a", 84, policy="edge-only")
    edge.local_done(20, "a")
    assert edge.unsatisfied(30, "a", "a+1", 84) == [
        deadline_timer("a+1", 114),
        fallback_timer("a+1", 90),
        sent("a+1", budget=79, accuracy=0.80, reply_in=55),
    ]
    edge.accepted(50, "a+1", "exit2")
    assert edge.replied(63, "a+1", "exit2")[-1] == succeeded(
        "a+1", Site.CLOUD, exit="exit2", required_accuracy=0.80, latency_ns=ns(33)
    )


def test_the_stream_keeps_the_higher_qor(edge):
    edge.unsatisfied(0, "a", "a+1", 900)
    assert required(edge, 1, "b") == 0.80


def test_other_streams_keep_theirs(edge):
    edge.unsatisfied(0, "a", "a+1", 900)
    assert required(edge, 1, "b", stream_id="other") == 0.75


def test_the_qor_rises_step_by_step_to_one_and_then_no_site_can_serve(make_edge):
    edge = make_edge(accuracy_step=0.1)
    seen = []
    for number in range(5):
        edge.unsatisfied(number, "a", f"a{number}", 900)
        edge.tell(number, ev.ClientGone, f"a{number}")
        seen.append(edge.outcome(f"a{number}").required_accuracy)
    assert seen == pytest.approx([0.85, 0.95, 1.0, 1.0, 1.0])
    assert edge.outcome("a2").reason == (
        "edge reaches accuracy 0.800, 1.000 is required; "
        "cloud reaches accuracy 0.940, 1.000 is required"
    )


def test_the_step_starts_from_the_accuracy_that_the_task_gave(edge):
    edge.unsatisfied(0, "a", "a+1", 900, accuracy=0.85)
    assert required(edge, 1, "b") == pytest.approx(0.90)


def test_a_modest_task_does_not_raise_its_stream_above_the_basic_qor(edge):
    edge.unsatisfied(0, "a", "a+1", 900, accuracy=0.5)
    edge.tell(0, ev.ClientGone, "a+1")
    assert edge.outcome("a+1").required_accuracy == pytest.approx(0.55)
    assert required(edge, 1, "b") == 0.75


def test_a_task_with_a_higher_qor_than_its_stream_keeps_its_own(edge):
    edge.unsatisfied(0, "a", "a+1", 900)
    assert required(edge, 1, "b", accuracy=0.9) == 0.9


def test_a_task_with_a_lower_qor_than_its_stream_gets_the_streams(edge):
    edge.unsatisfied(0, "a", "a+1", 900)
    assert required(edge, 1, "b", accuracy=0.5) == 0.80


def test_two_steps_of_five_points_add_up_to_ten_points(edge):
    edge.unsatisfied(0, "a", "a1", 900)
    edge.unsatisfied(1, "a", "a2", 900)
    assert required(edge, 2, "b") == 0.85


def test_feedback_on_a_second_try_starts_a_third(edge):
    edge.unsatisfied(0, "a", "a+1", 900)
    edge.tell(0, ev.ClientGone, "a+1")
    edge.unsatisfied(1, "a+1", "a+1+1", 900)
    edge.tell(1, ev.ClientGone, "a+1+1")
    assert edge.outcome("a+1+1").required_accuracy == pytest.approx(0.85)


def test_a_raised_qor_moves_the_next_task_to_the_site_that_reaches_it(edge):
    """0.80 is the local net's accuracy; one step more and only the cloud reaches it."""
    edge.unsatisfied(0, "a", "a1", 900)
    assert edge.submit(1, "b", 84, policy="edge-only")[-1] == StartLocal("b")
    edge.unsatisfied(2, "a", "a2", 900)
    assert edge.submit(3, "c", 900)[-1] == deadline_timer("c", 903)
    assert edge.submit(4, "d", 900, policy="edge-only") == [refused("d")]


def test_a_refused_task_can_be_tried_again(edge):
    edge.submit(0, "a", 84, accuracy=0.99)
    edge.unsatisfied(1, "a", "a+1", 84, accuracy=0.99)
    assert edge.outcome("a+1").required_accuracy == 1.0


def test_the_number_of_remembered_streams_is_bounded(make_edge):
    edge = make_edge(warmed_up=False)
    for number in range(REMEMBERED_STREAMS + 1):
        edge.unsatisfied(number, "a", f"a{number}", 1, stream_id=f"s{number}")
    assert required(edge, 2_000, "first", stream_id="s0") == 0.75
    assert required(edge, 2_000, "second", stream_id="s1") == 0.80


def test_a_stream_in_use_is_not_forgotten(make_edge):
    edge = make_edge(warmed_up=False)
    edge.unsatisfied(0, "a", "a", 1, stream_id="in use")
    for number in range(REMEMBERED_STREAMS):
        edge.submit(number, f"u{number}", 1, stream_id="in use")
        edge.unsatisfied(number, "a", f"a{number}", 1, stream_id=f"s{number}")
    assert required(edge, 2_000, "b", stream_id="in use") == 0.80
