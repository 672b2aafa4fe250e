"""The MC scheduler, Algorithm I of Tang et al. 2020, on upper quantiles and predicted joules.

A task that both sites can serve goes to the cloud if that is expected to cost fewer joules, the
chance included that it is taken back: an upload whose result the local net then computes again
costs both. Where several codecs may be used, the mode chooses: the fastest, or the one of the least
energy.

A device that holds the cloud net, too, runs it up to the first exit that is accurate enough where
the local net is not. Private pictures that want more accuracy stay at home that way.

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
    WholeForecast,
    cloud_choices,
    edge_shortfall,
)
from mc_sched.core.task import Mode, Shortfall, Task

_DEVIATIONS = 1.645
"""From the mean to the upper quantile, the 95th of 100 by default, if times were normal."""


def decide(task: Task, view: View) -> Decision:
    """Where it can be served; where both can, by the mode."""
    here = _what_runs_here(view)
    edge = edge_shortfall(view, here=here)
    if edge is None:
        better = _better_than(here, task, view)
        return _run(here) if better is None else _offload(view, here, better)
    choices = cloud_choices(task, view)
    if isinstance(choices, Shortfall):
        return _best_hope(here, task, view) or Refuse((edge, choices))
    best = min(choices, key=_joules if view.mode is Mode.ENERGY else _time_ns)
    return _offload(view, here, best)


def _what_runs_here(view: View) -> SiteForecast:
    """The local net, or where it is not accurate enough the cloud net up to an exit that is."""
    fit = (option for option in view.whole if option.accuracy >= view.accuracy)
    return view.edge if view.edge.accuracy >= view.accuracy else next(fit, view.edge)


def _run(here: SiteForecast) -> RunOnEdge:
    return RunOnEdge(here.exit if isinstance(here, WholeForecast) else "")


def _offload(view: View, here: SiteForecast, best: CloudForecast) -> Offload:
    rescue_exit = _run(here).exit
    return Offload(
        best.codec, view.accuracy, view.exit_rule, best.upper_ns, rescue_exit=rescue_exit
    )


def _better_than(here: SiteForecast, task: Task, view: View) -> CloudForecast | None:
    """The way to the cloud that is better than what can run here, if there is one.

    Performance mode keeps what the local net can serve, and compares times where it cannot.
    """
    if view.mode is Mode.ENERGY:
        return _cheaper_than(here, task, view)
    choices = cloud_choices(task, view)
    if here is view.edge or isinstance(choices, Shortfall):
        return None
    best = min(choices, key=_time_ns)
    return best if best.upper_ns < min(here.upper_ns, _take_back_ns(here, view)) else None


def _cheaper_than(here: SiteForecast, task: Task, view: View) -> CloudForecast | None:
    """On mean times: the rescue is kept for sure, so that only joules are at stake."""
    choices = cloud_choices(task, view, upper=False)
    if isinstance(choices, Shortfall):
        return None
    take_back_ns = _take_back_ns(here, view)
    costs = [
        (_joules(option) + _chance_beyond(take_back_ns, option) * here.energy_j, option)
        for option in choices
        if option.mean_ns <= take_back_ns
    ]
    least_j, best = min(costs, key=lambda cost: cost[0], default=(math.inf, None))
    return best if least_j < here.energy_j else None


def _take_back_ns(here: SiteForecast, view: View) -> int:
    """Time until the last moment at which this can still serve the task."""
    return view.take_back_ns - (here.upper_ns - view.edge.upper_ns)


def _best_hope(here: SiteForecast, task: Task, view: View) -> Decision | None:
    """The likeliest way to be in time, of those to a free site that are so on the mean."""
    choices = cloud_choices(task, view, upper=False)
    hopes: list[SiteForecast] = []
    if view.cloud_free and not isinstance(choices, Shortfall):
        hopes += choices
    if view.edge_free and edge_shortfall(view, upper=False, here=here) is None:
        hopes.append(here)
    best = min(hopes, key=lambda hope: _chance_beyond(view.remaining_ns, hope), default=None)
    if isinstance(best, CloudForecast):
        return _offload(view, here, best)
    return None if best is None else _run(best)


def _chance_beyond(limit_ns: int, option: SiteForecast) -> float:
    """That it takes longer, if its time is normal with this mean and this upper quantile."""
    deviation_ns = max(1.0, (option.upper_ns - option.mean_ns) / _DEVIATIONS)
    return 0.5 * math.erfc((limit_ns - option.mean_ns) / (deviation_ns * math.sqrt(2)))


def _joules(option: CloudForecast) -> float:
    return option.energy_j


def _time_ns(option: CloudForecast) -> int:
    return option.upper_ns
