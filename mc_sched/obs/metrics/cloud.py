"""What a cloud agent shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mc_sched.core.cloud_machine import CloudLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics import families as of


@dataclass(frozen=True)
class CloudState:
    """One look at the agent."""

    load: CloudLoad
    reliability: Mapping[str, Reliability]
    took: Mapping[str, Histogram]
    endings: Mapping[tuple[str, ...], float]
    """How often a task ended here with which word, at which exit."""
    rails_w: Mapping[str, float]
    log_dropped: int


class CloudCollector(Collector):
    """Asks `look` at each scrape, on the scraper's thread."""

    def __init__(self, look: Callable[[], CloudState], about: Mapping[str, str]) -> None:
        self._look = look
        self._about = about

    def describe(self) -> list[Metric]:
        """Nothing to check names against: registering must not look."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        state = self._look()
        yield of.info(self._about)
        yield of.counters(
            "mc_cloud_tasks",
            "Tasks by the last word about them.",
            ("word", "exit"),
            state.endings.items(),
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
        yield of.counter(
            "mc_log_lines_dropped", "Log lines that were not written.", state.log_dropped
        )
