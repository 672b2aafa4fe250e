"""Metrics of a cloud agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics import families as of
from mc_sched.obs.metrics.collector import AgentCollector


@dataclass(frozen=True)
class WorkerState:
    """State of a cloud agent's worker at a scrape."""

    worker: str
    """Its number."""
    device: str
    up: bool
    restarts: int
    """Times that it has come up again."""
    load: WorkerLoad
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    took: Mapping[str, Histogram] = field(default_factory=dict)
    ends: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(last message about a task, exit) -> number of tasks."""


@dataclass(frozen=True)
class CloudMetricsInput:
    """State of a cloud agent at a scrape."""

    workers: Sequence[WorkerState]
    ends: Mapping[str, float]
    """Last message about a task -> number of tasks that no worker has ended."""
    rails_w: Mapping[str, float]
    log_dropped: int


class CloudCollector(AgentCollector[CloudMetricsInput]):
    """Exports a cloud agent's metrics. Series of a machine name its worker."""

    def families(self, state: CloudMetricsInput) -> Iterator[Metric]:
        """Yield the families of workers, tasks, queues, speed and forecasts."""
        yield from _workers(state.workers)
        yield of.counters(
            "mc_cloud_tasks",
            "Tasks by the last message sent about them, by exit, and by the worker that sent it.",
            ("message", "exit", "worker"),
            [*_ends(state.workers), *(((m, "", ""), n) for m, n in state.ends.items())],
        )
        yield from _loads(state.workers)
        yield of.histograms(
            "mc_task_latency_seconds",
            "Duration of each part of a task.",
            ("stage", "worker"),
            [((name, w.worker), h) for w in state.workers for name, h in w.took.items()],
        )
        yield from of.forecasts(
            ("predictor", "worker"),
            [((name, w.worker), r) for w in state.workers for name, r in w.reliability.items()],
        )
        yield of.power(state.rails_w)


def _workers(workers: Sequence[WorkerState]) -> Iterator[Metric]:
    labels = ("worker", "device")
    yield of.labelled(
        "mc_worker_up", "1 if the worker process serves, else 0.", labels,
        [((w.worker, w.device), w.up) for w in workers],
    )  # fmt: skip
    yield of.counters(
        "mc_worker_restarts", "Times that the worker process has come up again.", labels,
        [((w.worker, w.device), w.restarts) for w in workers],
    )  # fmt: skip


def _ends(workers: Sequence[WorkerState]) -> Iterator[tuple[tuple[str, str, str], float]]:
    for w in workers:
        for (message, exit_), number in w.ends.items():
            yield (message, exit_, w.worker), number


def _loads(workers: Sequence[WorkerState]) -> Iterator[Metric]:
    """Yield the load of each worker, as it last reported it."""
    for name, about, values in (
        ("mc_queue_depth", "Tasks that wait or run.", [w.load.tasks for w in workers]),
        ("mc_queue_seconds", "Work that waits.", [w.load.queue_ns / 1e9 for w in workers]),
        (
            "mc_slowdown_ratio",
            "Measured time of stages over profiled time.",
            [w.load.slowdown for w in workers],
        ),
    ):
        by_worker = zip((w.worker for w in workers), values, strict=True)
        yield of.gauges(name, about, "worker", dict(by_worker))
