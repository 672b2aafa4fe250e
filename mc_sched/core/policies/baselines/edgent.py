"""Baseline `edgent`: the deepest exit of the cloud net that some split reaches in time.

Li, Zhou and Chen 2018, "Edge Intelligence: On-Demand Deep Learning Model Co-Inference with
Device-Edge Synergy" (MECOMM), algorithm 1: go through the exits from the deepest to the shallowest,
take for each the split with the least predicted time, and choose the first exit that meets the
deadline. If none does, refuse. Accuracy is as high as time permits; QoR and energy are ignored. The
stages' profiles replace the regressions of the paper.
"""

from __future__ import annotations

from mc_sched.core.policies.options import (
    offload_without_fallback,
    partition_options,
    refuse_without_tables,
)
from mc_sched.core.policy import CloudForecast, Decision, Refuse, RunOnEdge, SiteForecast, View
from mc_sched.core.task import Constraint, Shortfall, Site, Task


def decide(task: Task, view: View) -> Decision:
    """Choose by mean times."""
    if not view.on_device:
        return refuse_without_tables()
    splits = partition_options(task, view)
    least_ns = min(option.mean_ns for option in (*splits, *view.on_device))
    for on_device in reversed(view.on_device):
        to_exit = (option for option in splits if option.exit == on_device.exit)
        best: SiteForecast = min((*to_exit, on_device), key=lambda option: option.mean_ns)
        if best.mean_ns <= view.remaining_ns:
            if isinstance(best, CloudForecast):
                return offload_without_fallback(best)
            return RunOnEdge(on_device.exit)
    return Refuse((Shortfall(Site.EDGE, Constraint.DEADLINE, least_ns, view.remaining_ns),))
