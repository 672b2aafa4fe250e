"""The question put to a policy, and the answers it may give.

A policy is a pure function of a task and a view. The view holds forecasts, never tables: what a
site would deliver for this very task if it were sent there now.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from mc_sched.core.edge.cloud_record import NEVER
from mc_sched.core.stage_graph import StageGraph
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import ExitRule, Mode, Privacy, Shortfall, Site, Task
from mc_sched.core.value import value


@value
class SiteForecast:
    """What one way of serving the task is expected to deliver.

    Times run from now to the outcome, waiting included; `upper_ns` is never below the mean.
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
    accepted_ns: int = 0
    """Mean time until the cloud's word that the payload has come."""


@value
class OnDeviceForecast(SiteForecast):
    """One exit of the cloud net, with all that is before it run on the device."""

    exit: str


@value
class View:
    """All that a decision may rest on."""

    now_ns: int
    remaining_ns: int
    """Time until the task's deadline."""
    latest_start_ns: int
    """Time until the last moment at which the local net, if accurate enough, can still serve it."""
    accuracy: float
    """The task's QoR, after the stream's feedback."""
    mode: Mode
    exit_rule: ExitRule
    edge: SiteForecast
    cloud: tuple[CloudForecast, ...]
    """Every exit, closest to the input first; empty while no cloud agent can be used."""
    thresholds: tuple[EntropyThreshold, ...] = ()
    whole: tuple[OnDeviceForecast, ...] = ()
    """Every exit: for a policy that partitions, whose `cloud` has the raw splits, too; and on a
    device that holds the cloud net where the local net is not accurate enough."""
    layers: StageGraph | None = None
    """Likewise; None also where the bundle has no splits."""
    edge_free: bool = True
    cloud_free: bool = True
    """Whether no other task of this edge waits, is on its way or runs there."""
    cloud_in_time: bool = False
    """Whether the last task that ended there, or on its way there, was in time."""
    since_late: int = NEVER
    """How many tasks have come since one that was not."""


@value
class Refuse:
    """Tell the user at once that no site can serve the task."""

    shortfalls: tuple[Shortfall, ...]


@value
class RunOnEdge:
    """Run the local net, or the cloud net here up to `exit`."""

    exit: str = ""


class Fallback(str, Enum):
    """When an offloaded task runs locally after all, provided that this can be in time.

    The latest start is the last moment at which a local run still meets the deadline.
    """

    NEVER = "never"
    """Not even if the cloud fails."""
    ON_FAILURE = "on-failure"
    """Only if the cloud refuses the task, stops it or is lost."""
    AT_LATEST_START = "at-latest-start"
    """Also at the latest start, in any case; the offload is given up then."""
    UNLESS_ACCEPTED = "unless-accepted"
    """As above, unless the cloud has accepted the task and reports that it is on time. The cloud is
    asked to pursue no exit beyond the latest start."""
    HEDGED = "hedged"
    """As above, but an upload in progress continues beside the local run; the first answer wins."""

    @property
    def has_timer(self) -> bool:
        """True if the local run may begin at the latest start."""
        return self is not Fallback.NEVER and self is not Fallback.ON_FAILURE

    @property
    def keeps_accepted(self) -> bool:
        """True if a task that the cloud has accepted and reports on time stays there."""
        return self is Fallback.UNLESS_ACCEPTED or self is Fallback.HEDGED


@value
class Offload:
    """Send the image to the cloud, asking for an exit of at least `accuracy`."""

    codec: str
    accuracy: float
    exit_rule: ExitRule
    predicted_ns: int
    fallback: Fallback
    fallback_exit: str = ""
    """The exit of the cloud net that a fallback runs locally; empty for the local net."""


@value
class EdgeFirst:
    """Run the local net, and go on with the image if its answer is less sure than asked for.

    It is offloaded, or without an `offload` the cloud net runs here up to its last exit, `exit`.
    Where neither can be, or the cloud does not answer, the local net's answer stands. With nothing
    behind it at all, `threshold.accuracy` is that of the answers that are sure.
    """

    threshold: EntropyThreshold
    offload: Offload | None
    exit: str = ""

    @property
    def accuracy(self) -> float:
        """Expected of any answer: over all images that are answered, here or behind."""
        return self.threshold.accuracy["jpeg" if self.offload is None else self.offload.codec]


Decision = Refuse | RunOnEdge | Offload | EdgeFirst


class Policy(Protocol):
    """Decides what to do with a task."""

    def __call__(self, task: Task, view: View) -> Decision:
        """Pure: the same task and view give the same decision."""


def edge_shortfall(
    view: View, *, upper: bool = True, local: SiteForecast | None = None
) -> Shortfall | None:
    """Why the edge cannot serve the task, or None if it can (Algorithm I, lines 4 to 13).

    `here` is what it would run; None for the local net.
    """
    local = local or view.edge
    if local.accuracy < view.accuracy:
        return Shortfall(Site.EDGE, "accuracy", view.accuracy, local.accuracy)
    time_ns = local.upper_ns if upper else local.mean_ns
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


def to_last_exit(allowed: list[CloudForecast]) -> Offload:
    """To the last exit, by the codec that loses the least accuracy, with no look back."""
    ends = (option for option in allowed if option.exit == allowed[-1].exit)
    return without_fallback(max(ends, key=lambda option: option.accuracy))


def without_fallback(option: CloudForecast) -> Offload:
    """Offload by exactly this option, without fallback or give-up, as static methods do."""
    return Offload(option.codec, option.accuracy, ExitRule.EARLIEST, option.mean_ns, Fallback.NEVER)


def raw_options(task: Task, view: View) -> list[CloudForecast]:
    """What a partitioner may send: the picture or raw activations; features only if it must."""
    allowed = allowed_options(task, view)
    if isinstance(allowed, Shortfall):
        return []
    return [o for o in allowed if not Privacy.FEATURES.allows(o.codec)] or allowed


def no_tables() -> Refuse:
    """The bundle lacks what this policy decides by."""
    return Refuse((Shortfall(Site.EDGE, "tables", 1, 0),))


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
