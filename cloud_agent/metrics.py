"""The state of a cloud agent at a scrape: that of its workers, added up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from cloud_agent.front.remote_worker import RemoteWorker
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics.cloud import CloudMetricsInput

PATIENCE_S = 0.5
"""Longest wait of a scrape for the figures of busy workers; then the last ones are shown."""


def read_metrics(
    workers: Sequence[RemoteWorker],
    front_ends: Mapping[tuple[str, str], int],
    rails_w: Mapping[str, float],
    log_dropped: int,
    loop: asyncio.AbstractEventLoop,
) -> CloudMetricsInput:
    """Return the state of the agent; called from the scraper's thread."""
    waiting = [
        asyncio.run_coroutine_threadsafe(worker.fresh_metrics(PATIENCE_S), loop)
        for worker in workers
    ]
    for future in waiting:
        future.result(2 * PATIENCE_S)
    outcomes: Counter[tuple[str, ...]] = Counter()
    for worker in workers:
        outcomes.update(worker.ends)
    for (message, _), number in front_ends.items():
        outcomes[message, ""] += number
    up = [worker.load for worker in workers if worker.up]
    load = CloudLoad(
        min((load.queue_ns for load in up), default=0),
        max((load.slowdown for load in up), default=1.0),
        sum(load.tasks for load in up),
    )
    reliability: dict[str, Reliability] = {}
    took: dict[str, Histogram] = {}
    for worker in workers:
        reliability |= worker.metrics.reliability
        for part, found in worker.metrics.took.items():
            took[part] = _sum(took.get(part), found)
    return CloudMetricsInput(load, reliability, took, outcomes, rails_w, log_dropped)


def _sum(one: Histogram | None, two: Histogram) -> Histogram:
    if one is None:
        return two.copy()
    counts = [first + second for first, second in zip(one.counts, two.counts, strict=True)]
    return Histogram(one.bounds_ns, counts, one.sum_ns + two.sum_ns)
