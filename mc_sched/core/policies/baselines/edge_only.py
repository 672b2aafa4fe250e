"""Baseline `edge-only`: the local net or a refusal."""

from __future__ import annotations

from mc_sched.core.policies.options import edge_shortfall
from mc_sched.core.policy import Decision, Refuse, RunOnEdge, View
from mc_sched.core.task import Task


def decide(task: Task, view: View) -> Decision:
    """Run the task on the edge if that can serve it, otherwise refuse it."""
    edge = edge_shortfall(view)
    return RunOnEdge() if edge is None else Refuse((edge,))
