"""Baseline `neurosurgeon`: the split of the cloud net with the least predicted time or energy.

Kang et al. 2017 (ASPLOS). For each request it considers the link and the server's load, and chooses
the layer after which the network is split: a split at 0 sends the image, one after the last layer
sends nothing. Exits, deadline and accuracy are ignored. Kang et al. predict a layer's time by a
regression on its shape; this policy uses each stage's profile on its host instead. If the image
must not leave the device, the features codec is the only split.
"""

from __future__ import annotations

from mc_sched.core.policies.options import (
    offload_without_fallback,
    partition_options,
    refuse_without_tables,
)
from mc_sched.core.policy import CloudForecast, Decision, RunOnEdge, SiteForecast, View
from mc_sched.core.task import Mode, Task


def decide(task: Task, view: View) -> Decision:
    """Choose the fastest or, in energy mode, the cheapest split by its mean."""
    if not view.on_device:
        return refuse_without_tables()
    device = view.on_device[-1]
    splits = [option for option in partition_options(task, view) if option.exit == device.exit]
    least = _joules if view.mode is Mode.ENERGY else _time_ns
    best: SiteForecast = min([*splits, device], key=least)
    if isinstance(best, CloudForecast):
        return offload_without_fallback(best)
    return RunOnEdge(device.exit)


def _joules(option: SiteForecast) -> float:
    return option.energy_j


def _time_ns(option: SiteForecast) -> int:
    return option.mean_ns
