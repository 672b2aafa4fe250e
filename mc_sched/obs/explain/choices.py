"""The forecasts at a task's arrival, its policy's decision, and what other policies would decide.

The log is replayed up to the task's arrival. As the core is pure, this gives the view that the
policy had then, and every other policy can decide on the same view.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mc_sched.core import actions as do
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.errors import MachineError
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.core.policies.depth import accuracy_by
from mc_sched.core.policies.options import cloud_choices, edge_shortfall
from mc_sched.core.policy import (
    CloudForecast,
    Decision,
    LocalFirst,
    Offload,
    Refuse,
    RunOnEdge,
    View,
)
from mc_sched.core.task import Mode, Shortfall
from mc_sched.obs.explain.story import Story
from mc_sched.obs.log.event_log import Record
from mc_sched.obs.replay import config_of, value_of


@dataclass(frozen=True)
class Choices:
    """A view and the decisions of all policies on it."""

    view: View
    policy: str
    decision: Decision
    faithful: bool
    """True if the agent did what `decision` says; if not, the log does not go back far enough."""
    others: dict[tuple[str, str], Decision]
    """(policy, mode) -> decision, without the task's own policy."""


def choices_of(story: Story, config: Record, before: Iterable[Record]) -> Choices:
    """Replay the log up to the task's arrival and collect the policies' decisions.

    `before`: the edge's events between its config record and the task's arrival, in order.
    """
    settings, table = config_of(config)
    machine = EdgeMachine(settings, table)
    for record in before:
        try:
            machine.handle(value_of(record))
        except (MachineError, KeyError, AssertionError):
            continue  # it is about a task whose beginning was deleted from the log
    now_ns = story.submitted["t_ns"]
    tried = story.first(do.RecordTrial) is not None
    task, view = story.task, machine.view(story.task, now_ns, tried)
    if story.outcome is not None:
        view = replace(view, accuracy=story.outcome.required_accuracy)
    policy = task.policy or machine.snapshot(now_ns).policy  # a reload may have changed it
    decision = POLICIES[policy](task, view)
    others = {
        (name, mode.value): decide(task, replace(view, mode=mode))
        for name, decide in POLICIES.items()
        for mode in Mode
        # only the views of their own tasks hold what partitioning policies need
        if (name, mode) != (policy, view.mode) and name not in PARTITIONERS
    }
    return Choices(view, policy, decision, _was_taken(story, decision), others)


def _was_taken(story: Story, decision: Decision) -> bool:
    """Return True if the log shows that the agent took this decision."""
    on_arrival = [step for at, step in story.steps if at == story.submitted["t_ns"]]
    refused = any(isinstance(step, do.Finish) for step in on_arrival)
    if isinstance(decision, Refuse) or refused:
        return isinstance(decision, Refuse) and refused
    offloaded = story.first(do.SendToCloud, do.Encode)
    codec = offloaded[1].codec if offloaded else story.outcome.codec if story.outcome else None
    if isinstance(decision, LocalFirst):
        return any(isinstance(step, do.StartLocal | do.SetTimer) for step in on_arrival)
    return (decision.codec if isinstance(decision, Offload) else None) == codec


def why(story: Story, found: Choices) -> str:
    """Return the reason for the policy's decision, in one sentence."""
    if isinstance(found.decision, Refuse):
        return "no site could serve it"
    trial = story.first(do.RecordTrial)
    if trial is not None:
        after_ms = trial[1].after_ns / 1e6
        return f"tried, since nothing was measured for {after_ms:.0f} ms and the profile allows it"
    if found.policy != "mc":
        return f"decided by policy {found.policy}"
    view, decision = found.view, found.decision
    edge, cloud = edge_shortfall(view), cloud_choices(story.task, view)
    if isinstance(cloud, Shortfall):
        by_mean = cloud_choices(story.task, view, upper=False)
        if edge is None and isinstance(decision, Offload) and not isinstance(by_mean, Shortfall):
            return f"the edge can fall back in time, and {_preference(view, by_mean, decision)}"
        if edge is None:
            return f"only the edge could serve it: {cloud.sentence()}"
        short = f"{edge.sentence()}; {cloud.sentence()}"
        if isinstance(decision, LocalFirst) and decision.offload is None:
            return f"the local net alone could not serve it: {edge.sentence()}"
        if isinstance(decision, LocalFirst):
            return f"neither site is certain to serve it alone, but both together may: {short}"
        return f"no site is certain to serve it, so an idle one is tried: {short}"
    if edge is None:
        return f"both sites could serve it, and {_preference(view, cloud, decision)}"
    if isinstance(decision, Offload):
        return f"only the cloud could serve it: {edge.sentence()}"
    return f"the local net alone could not serve it: {edge.sentence()}"


def _preference(view: View, options: tuple[CloudForecast, ...], decision: Decision) -> str:
    on_edge = isinstance(decision, RunOnEdge)
    if view.mode is Mode.PERFORMANCE:
        return "performance mode keeps it on the edge" if on_edge else "this option is the fastest"
    right = {option: accuracy_by(option, view, view.remaining_ns) for option in options}
    edge_mj = _per_right_mj(view.edge.energy_j, view.edge.accuracy)
    cloud_mj = min(_per_right_mj(option.energy_j, share) for option, share in right.items())
    less = "costs fewer joules per right answer"
    if on_edge and edge_mj <= cloud_mj:
        return f"the edge {less}: {edge_mj:.1f} mJ, the cloud {cloud_mj:.1f} mJ"
    if on_edge:
        return (
            f"the cloud costs {cloud_mj:.1f} mJ per right answer, but with the risk of a fallback "
            f"more than the edge's {edge_mj:.1f} mJ"
        )
    return f"the cloud {less}: {cloud_mj:.1f} mJ, the edge {edge_mj:.1f} mJ"


def _per_right_mj(energy_j: float, accuracy: float) -> float:
    return energy_j * 1e3 / accuracy if accuracy else math.inf


def chosen_option(view: View, offload: Offload) -> CloudForecast | None:
    """Return the forecast of the exit to offload to: the acceptable one closest to the input."""
    fit = (o for o in view.cloud if o.codec == offload.codec and o.accuracy >= offload.accuracy)
    return next(fit, None)


def format_decision(decision: Decision, view: View) -> str:
    """Describe a decision and its forecast."""
    if isinstance(decision, Refuse):
        return "refuse it: " + "; ".join(s.sentence() for s in decision.shortfalls)
    if isinstance(decision, RunOnEdge):
        forecast = next((o for o in view.on_device if o.exit == decision.exit), view.edge)
        times = _times(forecast.mean_ns, forecast.upper_ns)
        if decision.exit:
            return f"run the cloud net on the edge up to {decision.exit}, {times}"
        return f"run it locally, {times}"
    if isinstance(decision, LocalFirst):
        times = _times(view.edge.mean_ns, view.edge.upper_ns)
        return f"run it locally, {times}{_if_unsure(decision)}"
    option = chosen_option(view, decision)
    if option is None:
        return f"offload it as {decision.codec}"
    times = _times(option.mean_ns, option.upper_ns)
    return f"offload it as {decision.codec}, with an answer at {option.exit}, {times}"


def _if_unsure(decision: LocalFirst) -> str:
    """Describe how the task continues if the local net is not confident."""
    unsure = 1 - decision.threshold.kept
    condition = f"if the local net is not confident ({unsure:.0%} of all images)"
    if unsure <= 0:
        return ""
    if decision.offload is not None:
        return f", and offload it {condition}"
    return f", and run the cloud net on the edge {condition}" if decision.exit else ""


def _times(mean_ns: int, upper_ns: int) -> str:
    return f"expected {mean_ns / 1e6:.1f} ms, at most {upper_ns / 1e6:.1f} ms"
