"""A store's lines for an agent's loop: read on a thread, so that no task waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from mc_sched.obs.store.follow import newer, newest
from mc_sched.obs.store.query import Query
from mc_sched.obs.store.reader import Line
from mc_sched.obs.store.stores import Stores, open_stores

DEFAULT_LINES = 1000
LOOK_EVERY_S = 0.25
T = TypeVar("T")


async def stored_lines(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """The newest `limit` lines that match, oldest first."""
    for line in reversed(await _asked(path, lambda stores: stores.lines(query, limit))):
        yield line


async def follow_store(path: Path, query: Query, limit: int) -> AsyncIterator[Line]:
    """The same, and then every new line; never ends."""
    last = max(query.since_ns - 1, await _asked(path, newest))
    async for line in stored_lines(path, replace(query, until_ns=last + 1), limit):
        yield line
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        for line in await _asked(path, partial(newer, query=query, last=last)):
            last = line.id
            yield line


async def _asked(path: Path, question: Callable[[Stores], T]) -> T:
    def ask() -> T:
        with open_stores([path]) as stores:
            return question(stores)

    return await asyncio.to_thread(ask)
