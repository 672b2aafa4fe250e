"""The state of a cloud agent at a scrape."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent import futures
from contextlib import suppress

from cloud_agent.front.remote_worker import RemoteWorker
from mc_sched.obs.metrics.cloud import CloudMetricsInput, WorkerState

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
    refreshed = asyncio.run_coroutine_threadsafe(_refresh(workers), loop)
    with suppress(futures.TimeoutError):  # the loop is busy; the last figures are shown
        refreshed.result(2 * PATIENCE_S)
    ends: Counter[str] = Counter()
    for (message, _), number in front_ends.items():
        ends[message] += number
    return CloudMetricsInput([_state_of(w) for w in workers], ends, rails_w, log_dropped)


async def _refresh(workers: Sequence[RemoteWorker]) -> None:
    await asyncio.gather(*(worker.fresh_metrics(PATIENCE_S) for worker in workers))


def _state_of(worker: RemoteWorker) -> WorkerState:
    return WorkerState(
        worker=str(worker.index),
        device=worker.device,
        up=worker.up,
        restarts=max(0, worker.times_up - 1),
        load=worker.load,
        reliability=worker.metrics.reliability,
        took=worker.metrics.took,
        ends=dict(worker.ends),
    )
