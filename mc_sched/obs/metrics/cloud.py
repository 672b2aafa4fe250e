"""Metrics of a cloud agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics import families as of
from mc_sched.obs.metrics.collector import AgentCollector


@dataclass(frozen=True)
class CloudMetricsInput:
    """State of a cloud agent at a scrape."""

    load: CloudLoad
    reliability: Mapping[str, Reliability]
    took: Mapping[str, Histogram]
    outcomes: Mapping[tuple[str, ...], float]
    """(name of the last message about a task, exit) -> number of tasks."""
    rails_w: Mapping[str, float]
    log_dropped: int


class CloudCollector(AgentCollector[CloudMetricsInput]):
    """Exports a cloud agent's metrics."""

    def families(self, state: CloudMetricsInput) -> Iterator[Metric]:
        """Yield the families of tasks, queue, speed and forecasts."""
        yield of.counters(
            "mc_cloud_tasks",
            "Tasks by the last message sent about them and by exit.",
            ("message", "exit"),
            state.outcomes.items(),
        )
        yield of.gauge("mc_queue_depth", "Tasks that wait or run.", state.load.tasks)
        yield of.gauge("mc_queue_seconds", "Work that waits.", state.load.queue_ns / 1e9)
        yield of.gauge(
            "mc_slowdown_ratio", "Measured time of stages over profiled time.", state.load.slowdown
        )
        yield of.histograms(
            "mc_task_latency_seconds", "Duration of each part of a task.", "stage", state.took
        )
        yield from of.forecasts(state.reliability)
        yield of.power(state.rails_w)
