"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

A task that both sites can serve goes to the cloud only if the answer is expected before the task
would be taken back: an upload whose result the local net then computes again costs both. Where
several codecs may be used, the mode chooses: the fastest, or the one of the least energy.
"""

from __future__ import annotations

from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    Offload,
    Refuse,
    RunOnEdge,
    View,
    cloud_choices,
    edge_shortfall,
)
from mc_sched.core.task import Mode, Shortfall, Task


def decide(task: Task, view: View) -> Decision:
    """Where it can be served; where both can, by the mode."""
    edge = edge_shortfall(view)
    choices = cloud_choices(task, view)
    if isinstance(choices, Shortfall):
        return RunOnEdge() if edge is None else Refuse((edge, choices))
    if edge is None:
        choices = tuple(option for option in choices if _beats_edge(view, option))
        if not choices:
            return RunOnEdge()
    best = min(choices, key=_joules if view.mode is Mode.ENERGY else _time_ns)
    return Offload(best.codec, view.accuracy, view.exit_rule, best.upper_ns)


def _beats_edge(view: View, cloud: CloudForecast) -> bool:
    cheaper = cloud.energy_j < view.edge.energy_j
    return view.mode is Mode.ENERGY and cheaper and cloud.upper_ns <= view.take_back_ns


def _joules(option: CloudForecast) -> float:
    return option.energy_j


def _time_ns(option: CloudForecast) -> int:
    return option.upper_ns
