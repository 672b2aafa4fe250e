"""Baseline `edgent`: the deepest exit that some split of the cloud net reaches in time.

Li, Zhou and Chen 2018, "Edge Intelligence: On-Demand Deep Learning Model Co-Inference with
Device-Edge Synergy" (MECOMM), algorithm 1: exits from the deepest to the shallowest, for each the
split with the least predicted time, and the first that meets the deadline. Otherwise it refuses.
Accuracy is made as large as time allows; a QoR is not looked at, nor is energy. Their regressions
are here the stages' profiles.
"""

from __future__ import annotations

from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    Refuse,
    RunOnEdge,
    SiteForecast,
    View,
    no_tables,
    raw_options,
    without_fallback,
)
from mc_sched.core.task import Shortfall, Site, Task


def decide(task: Task, view: View) -> Decision:
    """On mean times."""
    if not view.whole:
        return no_tables()
    ways = raw_options(task, view)
    least_ns = min(option.mean_ns for option in (*ways, *view.whole))
    for here in reversed(view.whole):
        reaching = (option for option in ways if option.exit == here.exit)
        best: SiteForecast = min((*reaching, here), key=lambda option: option.mean_ns)
        if best.mean_ns <= view.remaining_ns:
            return (
                without_fallback(best) if isinstance(best, CloudForecast) else RunOnEdge(here.exit)
            )
    return Refuse((Shortfall(Site.EDGE, "deadline", least_ns, view.remaining_ns),))
