"""Baseline `edge-only`: the local net or nothing."""

from __future__ import annotations

from mc_sched.core.policy import Decision, Refuse, RunOnEdge, View, edge_shortfall
from mc_sched.core.task import Task


def decide(task: Task, view: View) -> Decision:
    """The edge if it can serve the task, otherwise a refusal."""
    edge = edge_shortfall(view)
    return RunOnEdge() if edge is None else Refuse((edge,))
