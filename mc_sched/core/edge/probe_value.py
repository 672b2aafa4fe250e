"""Whether a forecast of the link, and not the link, keeps tasks away from the cloud.

Where tasks stay on the device nothing measures the uplink but probes. So the next task is looked at
twice: with what is expected of the link, and as if it were as fast as at its best lately. If that
makes another decision, a probe soon is worth its joules.
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.policy import CloudForecast, Policy, View
from mc_sched.core.task import Task


def probe_is_worth_it(task: Task, view: View, policy: Policy, forecast: EdgeForecast) -> bool:
    """Whether the policy would decide otherwise about the task on the link at its best."""
    if not view.cloud:
        return False
    feasible = replace(view, cloud=tuple(_at_best(way, view, task, forecast) for way in view.cloud))
    return type(policy(task, view)) is not type(policy(task, feasible))


def _at_best(way: CloudForecast, view: View, task: Task, forecast: EdgeForecast) -> CloudForecast:
    """With an upload that takes no longer, mean and quantile, than at the link's best."""
    link, now_ns = forecast.link, view.now_ns
    size_bytes = forecast.payload_bytes(task, way.codec)
    best_ns = link.up_best_ns(now_ns, size_bytes)
    sooner_ns = max(0, link.up_mean_ns(now_ns, size_bytes) - best_ns)
    upper_ns = link.up_upper_ns(now_ns, size_bytes, forecast.offload_level)
    mean_ns = way.mean_ns - sooner_ns
    return replace(
        way,
        mean_ns=mean_ns,
        upper_ns=max(mean_ns, way.upper_ns - max(0, upper_ns - best_ns)),
        accepted_ns=way.accepted_ns - sooner_ns,
        energy_j=way.energy_j - forecast.on_the_air_j(sooner_ns),
    )
