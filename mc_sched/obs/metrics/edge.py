"""What an edge agent shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from mc_sched.core.edge.stats import EdgeSnapshot
from mc_sched.core.histogram import Histogram
from mc_sched.core.tally import Tally
from mc_sched.core.task import OutcomeKind
from mc_sched.obs.metrics import families as of
from mc_sched.obs.metrics.collector import AgentCollector

_NONE_YET = {(kind.value, "", ""): 0 for kind in OutcomeKind}
"""A counter that begins with its first task has no rate then, and a share of it no value."""


@dataclass(frozen=True)
class EdgeMetricsInput:
    """One look at the agent."""

    snapshot: EdgeSnapshot
    tally: Tally
    took: Mapping[str, Histogram]
    rails_w: Mapping[str, float]
    log_dropped: int
    has_cloud: bool = True
    """Whether one is configured; a link that is not there is not down."""


class EdgeCollector(AgentCollector[EdgeMetricsInput]):
    """Shows an edge agent."""

    def told(self, state: EdgeMetricsInput) -> Mapping[str, str]:
        """What a reload may change."""
        return {"policy": state.snapshot.policy, "mode": state.snapshot.mode}

    def families(self, state: EdgeMetricsInput) -> Iterator[Metric]:
        """Its tasks, its link, its joules, its forecasts."""
        yield from _tasks(state)
        if state.has_cloud:
            yield from _link(state.snapshot)
        yield from _energy(state)
        yield from of.forecasts(state.snapshot.predictors)


def _tasks(state: EdgeMetricsInput) -> Iterator[Metric]:
    seen, tally = state.snapshot, state.tally
    outcomes = {**_NONE_YET, **tally.outcomes}
    yield of.counters(
        "mc_tasks", "Tasks by how they ended.", ("outcome", "site", "exit"), outcomes.items()
    )
    yield of.histograms(
        "mc_task_latency_seconds",
        "Time from submission to the outcome of answered tasks (total), and of its parts.",
        "stage", {"total": tally.latency, **state.took},
    )  # fmt: skip
    yield of.histogram(
        "mc_deadline_slack_seconds", "Time left at the outcome; below 0 it was late.", tally.slack
    )
    yield of.gauge("mc_queue_depth", "Tasks without an outcome yet.", seen.tasks_open)
    yield of.counter("mc_give_ups", "Tasks given up on the cloud.", seen.gave_up)


def _link(seen: EdgeSnapshot) -> Iterator[Metric]:
    yield of.gauge("mc_link_up", "Whether the cloud agent can be used.", seen.cloud == "up")
    yield of.gauge("mc_link_rtt_seconds", "Round trip to the cloud agent.", seen.rtt_ns / 1e9)
    yield of.gauges(
        "mc_link_bandwidth_bits_per_second", "Bandwidth as measured lately; 0 while unknown.",
        "direction", {"up": seen.uplink_bps, "down": seen.downlink_bps},
    )  # fmt: skip


def _energy(state: EdgeMetricsInput) -> Iterator[Metric]:
    seen = state.snapshot
    watts = dict(state.rails_w)
    if not watts and seen.power_w is not None:
        watts = {"total": seen.power_w}
    yield of.power(watts)
    parts = [
        (("tasks",), seen.energy_j), (("idle",), seen.energy_idle_j),
        (("radio_tail",), seen.energy_tail_j), (("probes",), seen.energy_probes_j),
    ]  # fmt: skip
    yield of.counters(
        "mc_energy_joules",
        "Joules above idle by what they went into, and idle's.",
        ("part",),
        parts,
    )
    yield of.gauge("mc_e3_successes_per_joule", "E3 since the agent started.", seen.e3_per_j)
