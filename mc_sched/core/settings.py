"""Settings of the two machines, with the defaults that daemons and simulator share."""

from __future__ import annotations

from dataclasses import dataclass, field

from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.task import ExitRule, Mode


@dataclass(frozen=True)
class EdgeSettings:
    """Settings of the edge machine."""

    basic_accuracy: float = 0.75
    """QoR of a task without its own, in [0, 1]; the paper's basic value."""
    accuracy_step: float = 0.05
    """Step by which one "not satisfied" raises a stream's QoR."""
    mode: Mode = Mode.ENERGY
    policy: str = "mc"
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    quantile: float = 0.95
    """The quantile of every predicted time on which decisions are based."""
    margin_ns: int = 4_000_000
    """Slack kept between the fallback's predicted end and the deadline."""
    cloud_net_on_edge: bool = False
    """If True, `mc` may run the cloud net on the device, up to an exit that is accurate enough,
    when the local net is not. The device has to hold the cloud net then."""
    max_tasks: int = 256
    """Limit of open tasks; further ones are refused."""
    max_uploads: int | None = None
    """Limit of simultaneous uploads; None for one, and as many more as cover a round trip."""
    probe_interval_ns: int = 200_000_000
    """Pause between a probe's answer, or its loss, and the next probe of the link."""
    energy: EnergyModel = field(default_factory=EnergyModel)


@dataclass(frozen=True)
class CloudSettings:
    """Settings of the cloud machine."""

    quantile: float = 0.95
    max_tasks: int = 64
    """Tasks waiting or running beyond which a new one is refused."""
    max_batch: int = 32
    """Most tasks that run one stage or head together."""
    decoders: int = 1
    """Payloads that are decoded at the same time."""
    credits: bool = True
    """If False, every edge may have `max_tasks` tasks open here, whatever the load is."""
