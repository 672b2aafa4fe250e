"""What a cloud agent shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from mc_sched.core.cloud.machine import CloudLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics import families as of
from mc_sched.obs.metrics.collector import AgentCollector


@dataclass(frozen=True)
class CloudMetricsInput:
    """One look at the agent."""

    load: CloudLoad
    reliability: Mapping[str, Reliability]
    took: Mapping[str, Histogram]
    outcomes: Mapping[tuple[str, ...], float]
    """How often a task ended here with which word, at which exit."""
    rails_w: Mapping[str, float]
    log_dropped: int


class CloudCollector(AgentCollector[CloudMetricsInput]):
    """Shows a cloud agent."""

    def families(self, state: CloudMetricsInput) -> Iterator[Metric]:
        """Its tasks, its queue, its speed, its forecasts."""
        yield of.counters(
            "mc_cloud_tasks",
            "Tasks by the last word about them.",
            ("word", "exit"),
            state.outcomes.items(),
        )
        yield of.gauge("mc_queue_depth", "Tasks that wait or run here.", state.load.tasks)
        yield of.gauge("mc_queue_seconds", "Work that waits here.", state.load.queue_ns / 1e9)
        yield of.gauge(
            "mc_slowdown_ratio", "Measured over profiled time of the stages.", state.load.slowdown
        )
        yield of.histograms(
            "mc_task_latency_seconds", "Time of the parts of a task.", "stage", state.took
        )
        yield from of.forecasts(state.reliability)
        yield of.power(state.rails_w)
