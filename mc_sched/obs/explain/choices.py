"""What was predicted when a task came, why its policy chose as it did, what others would do.

The log is fed to the machine again up to the task's arrival. The core is pure, so the view that a
policy had then is the view that it gets now, and every other policy can be asked about it.
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
    """A view, and what policies make of it."""

    view: View
    policy: str
    decision: Decision
    faithful: bool
    """Whether this is what the agent really did; else the log does not reach back far enough."""
    others: dict[tuple[str, str], Decision]
    """By policy and mode, without the one that was asked."""


def choices_of(story: Story, config: Record, before: Iterable[Record]) -> Choices:
    """`before`: the edge's events between its config record and the task's arrival, in order."""
    settings, table = config_of(config)
    machine = EdgeMachine(settings, table)
    for record in before:
        try:
            machine.handle(value_of(record))
        except (MachineError, KeyError, AssertionError):
            continue  # of a task whose beginning the log has let go
    now_ns = story.submitted["t_ns"]
    task, view = story.task, machine.view(story.task, now_ns)
    if story.outcome is not None:
        view = replace(view, accuracy=story.outcome.required_accuracy)
    policy = task.policy or machine.snapshot(now_ns).policy  # a reload may have changed it
    decision = POLICIES[policy](task, view)
    others = {
        (name, mode.value): decide(task, replace(view, mode=mode))
        for name, decide in POLICIES.items()
        for mode in Mode
        # what a partitioning policy looks at is in its own tasks' views only
        if (name, mode) != (policy, view.mode) and name not in PARTITIONERS
    }
    return Choices(view, policy, decision, _went(story, decision), others)


def _went(story: Story, decision: Decision) -> bool:
    """Whether the task went the way that this decision is."""
    at_once = [step for at, step in story.steps if at == story.submitted["t_ns"]]
    refused = any(isinstance(step, do.Finish) for step in at_once)
    if isinstance(decision, Refuse) or refused:
        return isinstance(decision, Refuse) and refused
    leaves = story.first(do.SendToCloud, do.Encode)
    codec = leaves[1].codec if leaves else story.outcome.codec if story.outcome else None
    if isinstance(decision, LocalFirst):
        return any(isinstance(step, do.StartLocal | do.SetTimer) for step in at_once)
    return (decision.codec if isinstance(decision, Offload) else None) == codec


def why(story: Story, found: Choices) -> str:
    """Why the policy chose as it did, in one sentence; a refusal says so itself."""
    if isinstance(found.decision, Refuse):
        return "no site could serve it"
    if found.policy != "mc":
        return f"policy {found.policy} decides so"
    view, decision = found.view, found.decision
    edge, cloud = edge_shortfall(view), cloud_choices(story.task, view)
    if isinstance(cloud, Shortfall):
        hopes = cloud_choices(story.task, view, upper=False)
        if edge is None and isinstance(decision, Offload) and not isinstance(hopes, Shortfall):
            return f"the edge can take it back in time, and {_preference(view, hopes, decision)}"
        if edge is None:
            return f"only the edge could serve it: {cloud.sentence()}"
        short = f"{edge.sentence()}; {cloud.sentence()}"
        if isinstance(decision, LocalFirst) and decision.offload is None:
            return f"the local net alone could not serve it: {edge.sentence()}"
        if isinstance(decision, LocalFirst):
            return f"neither site alone is sure to serve it, and both may together: {short}"
        return f"no site is sure to serve it, and a free one is tried where it may: {short}"
    if edge is None:
        return f"both sites could serve it, and {_preference(view, cloud, decision)}"
    if isinstance(decision, Offload):
        return f"only the cloud could serve it: {edge.sentence()}"
    return f"the local net alone could not serve it: {edge.sentence()}"


def _preference(view: View, options: tuple[CloudForecast, ...], decision: Decision) -> str:
    here = isinstance(decision, RunOnEdge)
    if view.mode is Mode.PERFORMANCE:
        return "performance mode keeps it on the device" if here else "this is the fastest"
    right = {option: accuracy_by(option, view, view.remaining_ns) for option in options}
    edge_mj = _per_right_mj(view.edge.energy_j, view.edge.accuracy)
    cloud_mj = min(_per_right_mj(option.energy_j, share) for option, share in right.items())
    less = "costs fewer joules per right answer"
    if here and edge_mj <= cloud_mj:
        return f"the edge {less}: {edge_mj:.1f} mJ, the cloud {cloud_mj:.1f} mJ"
    if here:
        return (
            f"the cloud costs {cloud_mj:.1f} mJ per right answer, but with the risk that the edge "
            f"has to take it back more than the edge's {edge_mj:.1f} mJ"
        )
    return f"the cloud {less}: {cloud_mj:.1f} mJ, the edge {edge_mj:.1f} mJ"


def _per_right_mj(energy_j: float, accuracy: float) -> float:
    return energy_j * 1e3 / accuracy if accuracy else math.inf


def chosen_option(view: View, offload: Offload) -> CloudForecast | None:
    """The forecast of the exit that an offload asks for: the acceptable one nearest the input."""
    fit = (o for o in view.cloud if o.codec == offload.codec and o.accuracy >= offload.accuracy)
    return next(fit, None)


def told(decision: Decision, view: View) -> str:
    """A decision in plain words, with what was expected of it."""
    if isinstance(decision, Refuse):
        return "refuse it: " + "; ".join(s.sentence() for s in decision.shortfalls)
    if isinstance(decision, RunOnEdge):
        here = next((o for o in view.on_device if o.exit == decision.exit), view.edge)
        what = f" up to {decision.exit} of the cloud net" if decision.exit else ""
        return f"run it on the edge{what}, {_times(here.mean_ns, here.upper_ns)}"
    if isinstance(decision, LocalFirst):
        times = _times(view.edge.mean_ns, view.edge.upper_ns)
        return f"run it on the edge, {times}{_behind(decision)}"
    option = chosen_option(view, decision)
    if option is None:
        return f"send it to the cloud as {decision.codec}"
    times = _times(option.mean_ns, option.upper_ns)
    return f"send it to the cloud as {decision.codec}, to be answered at {option.exit}, {times}"


def _behind(decision: LocalFirst) -> str:
    """What becomes of the images that the local net is not sure of."""
    unsure = 1 - decision.threshold.kept
    share = f"if that is not sure, as {unsure:.0%} are not"
    if unsure <= 0:
        return ""
    if decision.offload is not None:
        return f", and send it to the cloud {share}"
    return f", and run the cloud net here {share}" if decision.exit else ""


def _times(mean_ns: int, upper_ns: int) -> str:
    return f"in {mean_ns / 1e6:.1f} ms, at most {upper_ns / 1e6:.1f} ms"
