"""A snapshot of the edge machine, as `status` shows it."""

from __future__ import annotations

from collections.abc import Collection

from mc_sched.core.edge.stats import EdgeStats
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.forecasts.credits import in_flight
from mc_sched.core.forecasts.edge_forecast import CloudStatus, EdgeForecast
from mc_sched.core.scores import Reliability
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.value import value


@value
class EdgeSnapshot:
    """State, forecasts and statistics of the edge machine at one moment."""

    mode: str
    policy: str
    basic_accuracy: float
    draining: bool
    tasks_open: int
    outcomes: dict[str, int]
    sites: dict[str, int]
    gave_up: int
    cloud: CloudStatus
    cloud_detail: str
    """Reason why the cloud is not up; empty if it is."""
    credits: int
    """Tasks that may be open in the cloud at a time."""
    in_flight: int
    """Tasks that are open in the cloud."""
    uplink_bps: float
    """0 while unknown."""
    downlink_bps: float
    """0 while unknown."""
    rtt_ns: int
    local_predicted_ns: int
    local_residual_ns: int
    local_busy: bool
    local_residual_ops_ns: int
    """The residual by the paper's operation ratio."""
    busy_by_others: float | None
    energy_j: float
    """Joules of all tasks above idle, without the radio's tail."""
    energy_source: str
    """Source of the joules of computing: a sensor, or the model."""
    idle_w: float
    """Learned from the sensor, or declared."""
    compute_w: float
    """Watts above idle while the device works on one task; learned or declared."""
    power_w: float | None
    """Power of the device now; None without a sensor."""
    energy_measured_j: float
    """Integrated power since the agent started; 0 without a sensor."""
    energy_modelled_j: float
    """Joules of tasks' computing and encoding that no sensor measured."""
    energy_idle_j: float
    """Measured joules that were not charged to any task."""
    energy_tail_j: float
    """Joules that tasks' transfers added to the radio's tail; not part of any other figure."""
    energy_probes_j: float
    """The radio's joules for probes of the link; not part of any other figure."""
    e3_per_j: float
    """Succeeded tasks per joule of all tasks, without the tail; 0 while no joule is spent."""
    e3_with_tail_per_j: float
    predictors: dict[str, Reliability]
    """Reliability of the forecasts by predictor; only predictors with a score."""


def make_snapshot(
    settings: EdgeSettings,
    forecast: EdgeForecast,
    stats: EdgeStats,
    ledger: EnergyLedger,
    now_ns: int,
    tasks: Collection[EdgeTask],
    draining: bool,
) -> EdgeSnapshot:
    """Read all figures at this moment."""
    is_unknown = forecast.cloud_status is CloudStatus.UNKNOWN
    link, local = forecast.link, forecast.local
    known, down_known = link.known(now_ns), link.down_known(now_ns)
    return EdgeSnapshot(
        mode=settings.mode.value,
        policy=settings.policy,
        basic_accuracy=settings.basic_accuracy,
        draining=draining,
        tasks_open=sum(task.open for task in tasks),
        outcomes=stats.outcomes(),
        sites=stats.sites(),
        gave_up=stats.gave_up,
        cloud=forecast.cloud_status,
        cloud_detail="no answer yet" if is_unknown else forecast.cloud_gone_reason,
        credits=forecast.credits.granted,
        in_flight=in_flight(tasks),
        uplink_bps=link.up_mean_bps(now_ns) if known else 0.0,
        downlink_bps=link.down_mean_bps(now_ns) if down_known else 0.0,
        rtt_ns=link.rtt_mean_ns(now_ns),
        local_predicted_ns=local.upper_ns(now_ns),
        local_residual_ns=local.residual_ns(now_ns),
        local_residual_ops_ns=local.residual_ops_ns(now_ns),
        local_busy=local.running,
        busy_by_others=local.busy_by_others,
        energy_j=stats.energy_j,
        energy_source=ledger.source(now_ns),
        idle_w=ledger.idle_w,
        compute_w=ledger.compute_w,
        power_w=ledger.power_w(now_ns),
        energy_measured_j=ledger.measured_j,
        energy_modelled_j=ledger.modelled_j,
        energy_idle_j=ledger.idle_j,
        energy_tail_j=stats.tail_j,
        energy_probes_j=stats.probes_j,
        e3_per_j=stats.e3_per_j(stats.energy_j),
        e3_with_tail_per_j=stats.e3_per_j(stats.energy_j + stats.tail_j),
        predictors=stats.scores.reliability(),
    )
