"""The question put to a policy, and the answers it may give.

A policy is a pure function of a task and a view. The view holds forecasts, never tables: what a
site would deliver for this very task if it were sent there now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mc_sched.core.task import ExitRule, Mode, Shortfall, Site, Task


@dataclass(frozen=True)
class SiteForecast:
    """What one way of serving the task is expected to deliver.

    Times run from now to the outcome, waiting included.
    """

    accuracy: float
    mean_ns: int
    upper_ns: int
    energy_j: float


@dataclass(frozen=True)
class CloudForecast(SiteForecast):
    """One exit of the cloud net, reached with one codec."""

    exit: str
    codec: str


@dataclass(frozen=True)
class View:
    """All that a decision may rest on."""

    now_ns: int
    remaining_ns: int
    """Time until the task's deadline."""
    take_back_ns: int
    """Time until the last moment at which the local net, if accurate enough, can still serve it."""
    accuracy: float
    """The task's QoR, after the stream's feedback."""
    mode: Mode
    exit_rule: ExitRule
    edge: SiteForecast
    cloud: tuple[CloudForecast, ...]
    """Every exit, closest to the input first; empty while no cloud agent can be used."""


@dataclass(frozen=True)
class Refuse:
    """Tell the user at once that no site can serve the task."""

    shortfalls: tuple[Shortfall, ...]


@dataclass(frozen=True)
class RunOnEdge:
    """Run the local net."""


@dataclass(frozen=True)
class Offload:
    """Send the image to the cloud, asking for an exit of at least `accuracy`.

    `fallback`: watch the clock and take the task back when only the local net can still serve it.
    `before_take_back`: the cloud is asked to pursue no exit beyond that moment.
    """

    codec: str
    accuracy: float
    exit_rule: ExitRule
    predicted_ns: int
    fallback: bool = True
    before_take_back: bool = True


Decision = Refuse | RunOnEdge | Offload


class Policy(Protocol):
    """Decides what to do with a task."""

    def __call__(self, task: Task, view: View) -> Decision:
        """Pure: the same task and view give the same decision."""


def edge_shortfall(view: View, *, upper: bool = True) -> Shortfall | None:
    """Why the edge cannot serve the task, or None if it can (Algorithm I, lines 4 to 13)."""
    if view.edge.accuracy < view.accuracy:
        return Shortfall(Site.EDGE, "accuracy", view.accuracy, view.edge.accuracy)
    time_ns = view.edge.upper_ns if upper else view.edge.mean_ns
    if time_ns > view.remaining_ns:
        return Shortfall(Site.EDGE, "deadline", time_ns, view.remaining_ns)
    return None


def cloud_choice(task: Task, view: View, *, upper: bool = True) -> CloudForecast | Shortfall:
    """The acceptable exit closest to the input that is in time, or why there is none."""
    if not view.cloud:
        return Shortfall(Site.CLOUD, "link", 1, 0)
    allowed = [option for option in view.cloud if task.privacy.allows(option.codec)]
    if not allowed:
        return Shortfall(Site.CLOUD, "privacy", 1, 0)
    accurate = [option for option in allowed if option.accuracy >= view.accuracy]
    if not accurate:
        best = max(option.accuracy for option in allowed)
        return Shortfall(Site.CLOUD, "accuracy", view.accuracy, best)

    def time_ns(option: CloudForecast) -> int:
        return option.upper_ns if upper else option.mean_ns

    in_time = [option for option in accurate if time_ns(option) <= view.remaining_ns]
    if not in_time:
        return Shortfall(Site.CLOUD, "deadline", min(map(time_ns, accurate)), view.remaining_ns)
    # the cloud will take each codec's closest; codecs compete by time
    closest = {option.codec: option for option in reversed(in_time)}
    return min(closest.values(), key=time_ns)
