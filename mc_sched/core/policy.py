"""The question put to a policy, and the answers it may give.

A policy is a pure function of a task and a view. The view holds forecasts, never tables: what a
site would deliver for this very task if it were sent there now.
"""

from __future__ import annotations

from typing import Protocol

from mc_sched.core.task import ExitRule, Mode, Shortfall, Site, Task
from mc_sched.core.value import value


@value
class SiteForecast:
    """What one way of serving the task is expected to deliver.

    Times run from now to the outcome, waiting included.
    """

    accuracy: float
    mean_ns: int
    upper_ns: int
    energy_j: float


@value
class CloudForecast(SiteForecast):
    """One exit of the cloud net, reached with one codec."""

    exit: str
    codec: str


@value
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
    edge_free: bool = True
    cloud_free: bool = True
    """Whether no other task of this edge waits, is on its way or runs there."""


@value
class Refuse:
    """Tell the user at once that no site can serve the task."""

    shortfalls: tuple[Shortfall, ...]


@value
class RunOnEdge:
    """Run the local net."""


@value
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


def allowed_options(task: Task, view: View) -> list[CloudForecast] | Shortfall:
    """The ways to the cloud that the task's privacy leaves open, or why there is none."""
    allowed = [option for option in view.cloud if task.privacy.allows(option.codec)]
    if allowed:
        return allowed
    forbidden = view.cloud or not task.may_leave
    return Shortfall(Site.CLOUD, "privacy" if forbidden else "link", 1, 0)


def cloud_choice(task: Task, view: View, *, upper: bool = True) -> CloudForecast | Shortfall:
    """The fastest of the codecs' choices, or why there is none."""
    choices = cloud_choices(task, view, upper=upper)
    if isinstance(choices, Shortfall):
        return choices
    return min(choices, key=lambda option: option.upper_ns if upper else option.mean_ns)


def cloud_choices(
    task: Task, view: View, *, upper: bool = True
) -> tuple[CloudForecast, ...] | Shortfall:
    """Per codec the acceptable exit closest to the input that is in time, or why there is none.

    Closest, as that is the one which the cloud will take.
    """
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return allowed
    accurate = [option for option in allowed if option.accuracy >= view.accuracy]
    if not accurate:
        best = max(option.accuracy for option in allowed)
        return Shortfall(Site.CLOUD, "accuracy", view.accuracy, best)

    def time_ns(option: CloudForecast) -> int:
        return option.upper_ns if upper else option.mean_ns

    in_time = [option for option in accurate if time_ns(option) <= view.remaining_ns]
    if not in_time:
        return Shortfall(Site.CLOUD, "deadline", min(map(time_ns, accurate)), view.remaining_ns)
    return tuple({option.codec: option for option in reversed(in_time)}.values())
