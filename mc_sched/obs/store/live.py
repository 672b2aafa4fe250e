"""A store's lines inside an agent, without delaying its tasks; no store stays open in between.

The coroutines read on a thread beside the agent's loop; `pages` is for threads that may sleep.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from mc_sched.obs.store.bounds import AGENT_BOUNDS, Line
from mc_sched.obs.store.follow import PAGE_LINES, Follower, so_far
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.stores import Stores, open_stores

DEFAULT_LINES = 1000
POLL_EVERY_S = 0.25
HEARTBEAT_S = 5.0
T = TypeVar("T")


async def stored_lines(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """Yield the newest `limit` matching lines, oldest first; read them page by page."""
    since_ns = await _read(path, lambda stores: stores.start_ns(query, limit))
    while True:
        part = replace(query, since_ns=since_ns)
        lines = await _read(path, lambda stores: stores.lines(part, PAGE_LINES, newest_first=False))  # noqa: B023 - read before it changes
        for line in lines:
            yield line
        if not lines:
            return
        since_ns = lines[-1].id + 1


async def follow_store(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """Yield the newest lines so far, oldest first, then every new line; never ends."""
    lines, follower = await _read(path, lambda stores: so_far(stores, query, limit))
    while True:
        for line in lines:
            yield line
        await asyncio.sleep(POLL_EVERY_S if len(lines) < PAGE_LINES else 0)
        lines = await _read(path, follower.new)


def pages(paths: Sequence[Path], follower: Follower) -> Iterator[list[Line]]:
    """Yield new lines page by page, and an empty page every few seconds; never ends."""
    yielded_s = time.monotonic()
    while True:
        with open_stores(paths, AGENT_BOUNDS) as stores:
            lines = follower.new(stores)
        if lines or time.monotonic() - yielded_s > HEARTBEAT_S:
            yielded_s = time.monotonic()
            yield lines
        if len(lines) < PAGE_LINES:
            time.sleep(POLL_EVERY_S)


async def _read(path: Path, read: Callable[[Stores], T]) -> T:
    """Run `read` on the store, on a thread."""

    def opened_and_read() -> T:
        with open_stores([path], AGENT_BOUNDS) as stores:
            return read(stores)

    return await asyncio.to_thread(opened_and_read)
