"""The question that a policy answers, and the answers that it may give.

A policy is a pure function of a task and a view. The view holds forecasts, not tables: what each
site would deliver for this task if it were started now.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Protocol

from mc_sched.core.stage_graph import StageGraph
from mc_sched.core.tables import EntropyThreshold
from mc_sched.core.task import ExitRule, Mode, Shortfall, Task
from mc_sched.core.value import value

NEVER_LATE = 1_000_000_000
"""Number of tasks since the last late offload, if no offload has been late."""


@value
class SiteForecast:
    """Expected result of serving the task by one option.

    Times run from now to the outcome, waiting included; `upper_ns` is never below the mean.
    """

    accuracy: float
    mean_ns: int
    upper_ns: int
    energy_j: float


@value
class CloudForecast(SiteForecast):
    """Forecast of offloading the task by one codec to one exit of the cloud net."""

    exit: str
    codec: str
    accepted_ns: int = 0
    """Mean time until the edge learns that the cloud has accepted the payload."""
    credit_mean_ns: int = 0
    credit_upper_ns: int = 0
    """Parts of the mean (and of `accepted_ns`) and of the upper quantile that it waits only for a
    credit."""

    @property
    def with_credit(self) -> CloudForecast:
        """The forecast as it would be if a credit were free now."""
        if not self.credit_upper_ns:
            return self
        mean_ns = self.mean_ns - self.credit_mean_ns
        return replace(
            self,
            mean_ns=mean_ns,
            upper_ns=max(mean_ns, self.upper_ns - self.credit_upper_ns),
            accepted_ns=self.accepted_ns - self.credit_mean_ns,
            credit_mean_ns=0,
            credit_upper_ns=0,
        )


@value
class OnDeviceForecast(SiteForecast):
    """Forecast of running the cloud net on the device up to one exit."""

    exit: str


@value
class View:
    """Everything that a decision may depend on."""

    now_ns: int
    remaining_ns: int
    """Time until the task's deadline."""
    latest_start_ns: int
    """Time until the last moment at which a local run, started then, still meets the deadline."""
    accuracy: float
    """The task's QoR, after the stream's feedback."""
    mode: Mode
    exit_rule: ExitRule
    edge: SiteForecast
    """Forecast of running the local net."""
    cloud: tuple[CloudForecast, ...]
    """Every exit, closest to the input first; empty while no cloud agent can be used."""
    thresholds: tuple[EntropyThreshold, ...] = ()
    on_device: tuple[OnDeviceForecast, ...] = ()
    """Every exit of the cloud net, closest to the input first. Filled for a policy that partitions
    the net (`cloud` then holds the splits as well), and on a device that holds the cloud net if the
    local net is not accurate enough."""
    stage_graph: StageGraph | None = None
    """Stages and splits, for a policy that partitions the cloud net; None without splits."""
    edge_free: bool = True
    """True if no other task of this edge is waiting or running on the edge."""
    cloud_free: bool = True
    """True if no other task of this edge is being offloaded or running in the cloud."""
    cloud_in_time: bool = False
    """True if the last offload that ended was in time."""
    tasks_since_late: int = NEVER_LATE
    """Number of tasks that were submitted since an offload was last late."""
    credit_in_ns: int = 0
    """Mean time until the cloud has a credit free for this task; 0 if it has one now. The forecasts
    in `cloud` contain the wait."""

    @property
    def with_credit(self) -> View:
        """The view as it would be if a credit were free now."""
        cloud = tuple([option.with_credit for option in self.cloud])
        return replace(self, cloud=cloud, credit_in_ns=0)


@value
class Refuse:
    """Report to the client at once that no site can serve the task."""

    shortfalls: tuple[Shortfall, ...]


@value
class RunOnEdge:
    """Run the local net, or the cloud net on the device up to `exit` if that is set."""

    exit: str = ""


class Fallback(str, Enum):
    """The conditions under which an offloaded task runs locally, if that can still be in time.

    The latest start is the last moment at which a local run still meets the deadline.
    """

    NEVER = "never"
    """Never, even if the cloud fails."""
    ON_FAILURE = "on-failure"
    """If the cloud refuses the task, stops it or is lost."""
    AT_LATEST_START = "at-latest-start"
    """If the cloud fails, and in any case at the latest start: the offload is then given up."""
    UNLESS_ACCEPTED = "unless-accepted"
    """As AT_LATEST_START, but not if the cloud has accepted the task and reports it on time."""
    HEDGED = "hedged"
    """As UNLESS_ACCEPTED, but an upload in progress continues, and the first answer wins."""

    @property
    def has_timer(self) -> bool:
        """True if the local run may begin at the latest start."""
        return self is not Fallback.NEVER and self is not Fallback.ON_FAILURE

    @property
    def keeps_accepted(self) -> bool:
        """True if an accepted task that is on time stays in the cloud beyond the latest start.

        The edge then asks the cloud not to pursue any exit beyond the latest start.
        """
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
class LocalFirst:
    """Run the local net; if its answer is not sure enough, continue with a larger network.

    The image is offloaded or, without an `offload`, the cloud net runs on the device up to `exit`,
    its last one. If neither is possible or the cloud does not answer, the local net's answer
    stands. If nothing can follow the local net at all, `threshold.accuracy` is that of its sure
    answers.
    """

    threshold: EntropyThreshold
    offload: Offload | None
    exit: str = ""

    @property
    def accuracy(self) -> float:
        """Expected accuracy over all images that are answered, by whichever network."""
        return self.threshold.accuracy["jpeg" if self.offload is None else self.offload.codec]


Decision = Refuse | RunOnEdge | Offload | LocalFirst


class Policy(Protocol):
    """Decides what to do with a task."""

    def __call__(self, task: Task, view: View) -> Decision:
        """Decide; the same task and view give the same decision."""
