"""Metrics of an edge agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from mc_sched.core.edge.snapshot import EdgeSnapshot
from mc_sched.core.forecasts.edge_forecast import CloudStatus
from mc_sched.core.histogram import Histogram
from mc_sched.core.tally import Tally
from mc_sched.core.task import OutcomeKind, RefusalCode
from mc_sched.obs.metrics import families as of
from mc_sched.obs.metrics.collector import AgentCollector

NO_CREDIT, INFEASIBLE = RefusalCode.NO_CREDIT.value, RefusalCode.INFEASIBLE.value
_NO_TASKS = {(kind.value, "", ""): 0 for kind in OutcomeKind}
"""Counters start at 0, because a counter that appears with its first task has no rate yet."""


@dataclass(frozen=True)
class IntakeState:
    """State of an agent's intake, which refuses tasks before the scheduler sees them."""

    refused: Mapping[str, int] = field(default_factory=dict)
    """Tasks that it has refused, by the code of the refusal."""
    credits: int = 0
    """Tasks that all clients together may have open."""
    loop_lag_ns: int = 0
    """Greatest lag of the event loop within the last second."""


@dataclass(frozen=True)
class EdgeMetricsInput:
    """State of an edge agent at a scrape."""

    snapshot: EdgeSnapshot
    tally: Tally
    took: Mapping[str, Histogram]
    rails_w: Mapping[str, float]
    log_dropped: int
    has_cloud: bool = True
    """False if no cloud is configured: then there are no link metrics, as no link is down."""
    intake: IntakeState = IntakeState()


class EdgeCollector(AgentCollector[EdgeMetricsInput]):
    """Exports an edge agent's metrics."""

    def changing_info(self, state: EdgeMetricsInput) -> Mapping[str, str]:
        """Return policy and mode."""
        return {"policy": state.snapshot.policy, "mode": state.snapshot.mode}

    def families(self, state: EdgeMetricsInput) -> Iterator[Metric]:
        """Yield the families of tasks, link, energy and forecasts."""
        yield from _tasks(state)
        yield from _intake(state.intake)
        if state.has_cloud:
            yield from _link(state.snapshot)
        yield from _energy(state)
        found = [((name,), r) for name, r in state.snapshot.predictors.items()]
        yield from of.forecasts(("predictor",), found)


def _tasks(state: EdgeMetricsInput) -> Iterator[Metric]:
    snapshot, tally = state.snapshot, state.tally
    outcomes = {**_NO_TASKS, **tally.outcomes}
    yield of.counters(
        "mc_tasks", "Tasks by outcome, site and exit.", ("outcome", "site", "exit"),
        outcomes.items(),
    )  # fmt: skip
    yield of.histograms(
        "mc_task_latency_seconds",
        "Time from submission to outcome of answered tasks (total), and duration of each part.",
        ("stage",), [(("total",), tally.latency), *(((k,), h) for k, h in state.took.items())],
    )  # fmt: skip
    yield of.histogram(
        "mc_deadline_slack_seconds", "Time left at the outcome; negative if late.", tally.slack
    )
    yield of.gauge("mc_queue_depth", "Tasks without an outcome yet.", snapshot.tasks_open)
    yield of.counter("mc_give_ups", "Tasks given up on the cloud.", snapshot.gave_up)


def _intake(state: IntakeState) -> Iterator[Metric]:
    refused = {**dict.fromkeys((NO_CREDIT, INFEASIBLE), 0), **state.refused}
    yield of.counters(
        "mc_intake_refused", "Tasks refused before the scheduler saw them, by the reason's code.",
        ("code",), [((code,), count) for code, count in refused.items()],
    )  # fmt: skip
    yield of.gauge("mc_client_credits", "Tasks that all clients may have open.", state.credits)
    yield of.gauge(
        "mc_loop_lag_seconds", "Greatest lag of the event loop within the last second.",
        state.loop_lag_ns / 1e9,
    )  # fmt: skip


def _link(snapshot: EdgeSnapshot) -> Iterator[Metric]:
    is_up = snapshot.cloud is CloudStatus.UP
    yield of.gauge("mc_link_up", "1 if the cloud agent can be used, else 0.", is_up)
    yield of.gauge("mc_link_rtt_seconds", "Round trip to the cloud agent.", snapshot.rtt_ns / 1e9)
    yield of.gauges(
        "mc_link_bandwidth_bits_per_second", "Estimated bandwidth; 0 while unknown.",
        "direction", {"up": snapshot.uplink_bps, "down": snapshot.downlink_bps},
    )  # fmt: skip


def _energy(state: EdgeMetricsInput) -> Iterator[Metric]:
    snapshot = state.snapshot
    watts = dict(state.rails_w)
    if not watts and snapshot.power_w is not None:
        watts = {"total": snapshot.power_w}
    yield of.power(watts)
    parts = [
        (("tasks",), snapshot.energy_j), (("idle",), snapshot.energy_idle_j),
        (("radio_tail",), snapshot.energy_tail_j), (("probes",), snapshot.energy_probes_j),
    ]  # fmt: skip
    yield of.counters(
        "mc_energy_joules",
        "Joules by use: idle, and above idle for tasks, the radio's tail and probes.",
        ("part",),
        parts,
    )
    yield of.gauge("mc_e3_successes_per_joule", "E3 since the agent started.", snapshot.e3_per_j)
