"""The knobs of the two machines, with the defaults that the daemons and the simulator share."""

from __future__ import annotations

from dataclasses import dataclass, field

from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.task import ExitRule, Mode


@dataclass(frozen=True)
class EdgeSettings:
    """Knobs of the edge machine."""

    basic_accuracy: float = 0.75
    """QoR of a task that names none (the paper's basic value), in [0, 1]."""
    accuracy_step: float = 0.05
    """How much one "not satisfied" raises a stream's QoR."""
    mode: Mode = Mode.ENERGY
    policy: str = "mc"
    exit_rule: ExitRule = ExitRule.ADAPTIVE
    quantile: float = 0.95
    """Which quantile of every predicted time the decisions use."""
    margin_ns: int = 4_000_000
    """Slack kept between the fallback's predicted end and the deadline."""
    cloud_net_on_edge: bool = False
    """Whether `mc` may run the cloud net on the device, up to an exit that is accurate enough,
    where the local net is not; the device has to hold it then."""
    max_tasks: int = 256
    """Open tasks beyond which a new one is refused."""
    max_uploads: int | None = None
    """Uploads at once; None: one on the air, and as many behind it as cover the round trip."""
    probe_interval_ns: int = 200_000_000
    """Pause between a probe's answer, or its loss, and the next probe of the link."""
    energy: EnergyModel = field(default_factory=EnergyModel)


@dataclass(frozen=True)
class CloudSettings:
    """Knobs of the cloud machine."""

    quantile: float = 0.95
    max_tasks: int = 64
    """Tasks waiting or running beyond which a new one is refused."""
