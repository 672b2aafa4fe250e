"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

A task that both sites can serve goes to the cloud only if the answer is expected before the task
would be taken back: an upload whose result the local net then computes again costs both.
"""

from __future__ import annotations

from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    Offload,
    Refuse,
    RunOnEdge,
    View,
    cloud_choice,
    edge_shortfall,
)
from mc_sched.core.task import Mode, Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """Where it can be served; where both can, by the mode."""
    edge = edge_shortfall(view)
    cloud = cloud_choice(task, view)
    if isinstance(cloud, Shortfall):
        return RunOnEdge() if edge is None else Refuse((edge, cloud))
    if edge is None and not _prefers_cloud(view, cloud):
        return RunOnEdge()
    return Offload(cloud.codec, view.accuracy, view.exit_rule, cloud.upper_ns)


def _prefers_cloud(view: View, cloud: CloudForecast) -> bool:
    cheaper = cloud.energy_j < view.edge.energy_j
    return view.mode is Mode.ENERGY and cheaper and cloud.upper_ns <= view.take_back_ns
