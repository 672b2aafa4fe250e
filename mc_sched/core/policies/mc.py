"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

A task that both sites can serve goes to the cloud if that is expected to cost fewer joules, the
chance included that it is taken back: an upload whose result the local net then computes again
costs both. Where several codecs may be used, the mode chooses: the fastest, or the one of the least
energy.

A task that no site can serve for sure goes to a free one where it is in time on the mean, and to
the likelier of two. A refusal is a failure for certain, and teaches nothing: a way that is met with
a careful prior and never tried would be refused for ever. Where others are, it would be at their
cost: an overload is refused.
"""

from __future__ import annotations

import math

from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    Offload,
    Refuse,
    RunOnEdge,
    SiteForecast,
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
        cheaper = _cheaper_than_edge(task, view) if view.mode is Mode.ENERGY else None
        return RunOnEdge() if cheaper is None else _offload(view, cheaper)
    choices = cloud_choices(task, view)
    if isinstance(choices, Shortfall):
        return _best_hope(task, view) or Refuse((edge, choices))
    return _offload(view, min(choices, key=_joules if view.mode is Mode.ENERGY else _time_ns))


def _best_hope(task: Task, view: View) -> Decision | None:
    """The likeliest way to be in time, of those to a free site that are so on the mean."""
    choices = cloud_choices(task, view, upper=False)
    hopes: list[SiteForecast] = []
    if view.cloud_free and not isinstance(choices, Shortfall):
        hopes += choices
    if view.edge_free and edge_shortfall(view, upper=False) is None:
        hopes.append(view.edge)
    best = min(hopes, key=lambda hope: _chance_beyond(view.remaining_ns, hope), default=None)
    if isinstance(best, CloudForecast):
        return _offload(view, best)
    return None if best is None else RunOnEdge()


def _offload(view: View, best: CloudForecast) -> Offload:
    return Offload(best.codec, view.accuracy, view.exit_rule, best.upper_ns)


def _cheaper_than_edge(task: Task, view: View) -> CloudForecast | None:
    """On mean times: the rescue is kept for sure, so that only joules are at stake."""
    choices = cloud_choices(task, view, upper=False)
    if isinstance(choices, Shortfall):
        return None
    costs = [
        (_joules(option) + _chance_beyond(view.take_back_ns, option) * view.edge.energy_j, option)
        for option in choices
        if option.mean_ns <= view.take_back_ns
    ]
    least_j, best = min(costs, key=lambda cost: cost[0], default=(math.inf, None))
    return best if least_j < view.edge.energy_j else None


def _chance_beyond(limit_ns: int, option: SiteForecast) -> float:
    """That it takes longer, if its time is normal with this mean and this upper quantile."""
    deviation_ns = max(1.0, (option.upper_ns - option.mean_ns) / _DEVIATIONS)
    return 0.5 * math.erfc((limit_ns - option.mean_ns) / (deviation_ns * math.sqrt(2)))


def _joules(option: CloudForecast) -> float:
    return option.energy_j


def _time_ns(option: CloudForecast) -> int:
    return option.upper_ns
