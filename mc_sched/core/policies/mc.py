"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

A task that both sites can serve goes to the cloud if that is expected to cost fewer joules, the
chance included that it is taken back: an upload whose result the local net then computes again
costs both. Where several codecs may be used, the mode chooses: the fastest, or the one of the least
energy.

A task that no site can serve for sure goes to the cloud if that is in time on the mean. A refusal
is a failure for certain, and teaches nothing: a way that is met with a careful prior, and never
tried, would be refused for ever.
"""

from __future__ import annotations

import math

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

_DEVIATIONS = 1.645
"""From the mean to the upper quantile, the 95th of 100 by default, if times were normal."""


def decide(task: Task, view: View) -> Decision:
    """Where it can be served; where both can, by the mode."""
    edge = edge_shortfall(view)
    if edge is None:
        cheaper = _cheaper_than_edge(task, view) if view.mode is Mode.ENERGY else ()
        return _offload(view, cheaper) if cheaper else RunOnEdge()
    choices = cloud_choices(task, view)
    if isinstance(choices, Shortfall):
        hopeful = cloud_choices(task, view, upper=False)
        return (
            Refuse((edge, choices)) if isinstance(hopeful, Shortfall) else _offload(view, hopeful)
        )
    return _offload(view, choices)


def _offload(view: View, choices: tuple[CloudForecast, ...]) -> Offload:
    best = min(choices, key=_joules if view.mode is Mode.ENERGY else _time_ns)
    return Offload(best.codec, view.accuracy, view.exit_rule, best.upper_ns)


def _cheaper_than_edge(task: Task, view: View) -> tuple[CloudForecast, ...]:
    """On mean times: the rescue is kept for sure, so that only joules are at stake."""
    choices = cloud_choices(task, view, upper=False)
    if isinstance(choices, Shortfall):
        return ()
    return tuple(option for option in choices if _is_cheaper(view, option))


def _is_cheaper(view: View, cloud: CloudForecast) -> bool:
    if cloud.mean_ns > view.take_back_ns:
        return False
    rescued = _chance_beyond(view.take_back_ns, cloud)
    return cloud.energy_j + rescued * view.edge.energy_j < view.edge.energy_j


def _chance_beyond(limit_ns: int, option: CloudForecast) -> float:
    """That it takes longer, if its time is normal with this mean and this upper quantile."""
    deviation_ns = max(1.0, (option.upper_ns - option.mean_ns) / _DEVIATIONS)
    return 0.5 * math.erfc((limit_ns - option.mean_ns) / (deviation_ns * math.sqrt(2)))


def _joules(option: CloudForecast) -> float:
    return option.energy_j


def _time_ns(option: CloudForecast) -> int:
    return option.upper_ns
