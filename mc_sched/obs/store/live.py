"""A store's lines while they come, inside an agent: no task waits, and nothing stays open.

For the agent's loop they are read on threads; `pages` is for threads that have the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from mc_sched.obs.store.bounds import SERVED, Line
from mc_sched.obs.store.follow import AT_ONCE, Follower, so_far
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.stores import Stores, open_stores

DEFAULT_LINES = 1000
LOOK_EVERY_S = 0.25
HEARTBEAT_S = 5.0
T = TypeVar("T")


async def stored_lines(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """The newest `limit` lines that match, oldest first, however many: a page at a time."""
    since_ns = await _asked(path, lambda stores: stores.start_ns(query, limit))
    while True:
        part = replace(query, since_ns=since_ns)
        lines = await _asked(path, lambda stores: stores.lines(part, AT_ONCE, newest_first=False))  # noqa: B023 - asked before it changes
        for line in lines:
            yield line
        if not lines:
            return
        since_ns = lines[-1].id + 1


async def follow_store(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """The newest lines so far, oldest first, and then every new one; never ends."""
    lines, follower = await _asked(path, lambda stores: so_far(stores, query, limit))
    while True:
        for line in lines:
            yield line
        await asyncio.sleep(LOOK_EVERY_S if len(lines) < AT_ONCE else 0)
        lines = await _asked(path, follower.new)


def pages(paths: Sequence[Path], follower: Follower) -> Iterator[list[Line]]:
    """What comes from now on, a page at a time, and every few seconds none; never ends."""
    told_s = time.monotonic()
    while True:
        with open_stores(paths, SERVED) as stores:
            lines = follower.new(stores)
        if lines or time.monotonic() - told_s > HEARTBEAT_S:
            told_s = time.monotonic()
            yield lines
        if len(lines) < AT_ONCE:
            time.sleep(LOOK_EVERY_S)


async def _asked(path: Path, question: Callable[[Stores], T]) -> T:
    def ask() -> T:
        with open_stores([path], SERVED) as stores:
            return question(stores)

    return await asyncio.to_thread(ask)
