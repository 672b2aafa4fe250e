"""Refusals of the edge: each has a code that a program can match."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import Fallback, Offload
from mc_sched.core.task import ExitRule, OutcomeKind, Privacy, RefusalCode
from tests.core.round_figures import ns

FINE = {"accuracy": 0.9}


def refusal_of(edge, task_id="a"):
    """The code of this task's refusal."""
    outcome = edge.outcome(task_id)
    assert (outcome.kind, outcome.reason != "") == (OutcomeKind.REFUSED, True)
    return outcome.refusal


def test_a_task_that_no_site_can_serve(edge):
    edge.submit(0, "a", 10)
    assert refusal_of(edge) is RefusalCode.INFEASIBLE


def test_a_task_beyond_max_tasks(make_edge):
    edge = make_edge(max_tasks=1)
    edge.submit(0, "first", 84)
    edge.submit(0, "a", 84)
    assert refusal_of(edge) is RefusalCode.TOO_MANY_TASKS


def test_a_task_of_an_agent_that_drains(edge):
    edge.tell(0, ev.Drain)
    edge.submit(1, "a", 84)
    assert refusal_of(edge) is RefusalCode.DRAINING


def test_a_task_whose_id_is_still_being_stopped(edge):
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.tell(25, ev.ClientGone, "a")
    edge.submit(26, "a", 84)
    assert refusal_of(edge) is RefusalCode.DUPLICATE_ID


def test_a_task_that_a_policy_would_send_against_its_privacy(edge, monkeypatch):
    offload = Offload("jpeg", 0.75, ExitRule.ADAPTIVE, ns(29), Fallback.NEVER)
    monkeypatch.setitem(POLICIES, "mc", lambda *_: offload)
    edge.submit(0, "a", 84, privacy=Privacy.EDGE_ONLY)
    assert refusal_of(edge) is RefusalCode.PRIVACY


def test_a_task_that_the_cloud_refused_and_the_edge_cannot_serve(edge):
    edge.submit(0, "a", 84, **FINE)
    edge.tell(20, ev.CloudRefused, "a", "no exit in time")
    assert refusal_of(edge) is RefusalCode.CLOUD


@pytest.mark.parametrize("accuracy", [0.75, 0.9])
def test_an_answered_task_has_no_code(edge, accuracy):
    edge.submit(0, "a", 84, accuracy=accuracy, policy="server")
    edge.accepted(20, "a", "exit4")
    edge.replied(40, "a", "exit4")
    assert edge.outcome("a").refusal is None
