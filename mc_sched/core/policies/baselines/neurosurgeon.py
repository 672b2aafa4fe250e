"""Baseline `neurosurgeon`: the split of the cloud net with the least predicted time, or energy.

Kang et al. 2017 (ASPLOS). Per request it looks at the link and at the server's load, and chooses
behind which layer the network is cut: 0 sends the picture, the last one leaves nothing to send. It
knows no exits, no deadline and no accuracy. Kang et al. predict a layer's time by a regression on
its shape; here each stage's profile on its host takes that place. Where the picture must not leave,
the features codec is the only cut.
"""

from __future__ import annotations

from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    RunOnEdge,
    SiteForecast,
    View,
    no_tables,
    raw_options,
    without_fallback,
)
from mc_sched.core.task import Mode, Task


def decide(task: Task, view: View) -> Decision:
    """By the mode, the quickest or the cheapest on the mean."""
    if not view.whole:
        return no_tables()
    here = view.whole[-1]
    ends = [option for option in raw_options(task, view) if option.exit == here.exit]
    least = _joules if view.mode is Mode.ENERGY else _time_ns
    best: SiteForecast = min([*ends, here], key=least)
    return without_fallback(best) if isinstance(best, CloudForecast) else RunOnEdge(here.exit)


def _joules(option: SiteForecast) -> float:
    return option.energy_j


def _time_ns(option: SiteForecast) -> int:
    return option.mean_ns
