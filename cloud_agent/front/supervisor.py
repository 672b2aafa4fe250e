"""Keeps the workers running: starts them, and starts them again when they have ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from cloud_agent.front.pool import name_of
from cloud_agent.front.remote_worker import RemoteWorker
from cloud_agent.pipe.messages import Start
from mc_sched.errors import UserError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
"""Pauses before a worker is started again; each is twice the one before."""
STEADY_S = 60.0
"""Time of service after which the pauses begin anew."""
STOP_S = 1.0
"""Time that workers have to write their logs and exit."""


class Supervisor:
    """One task per worker, on the front's event loop."""

    def __init__(
        self,
        workers: Sequence[RemoteWorker],
        start_of: Callable[[RemoteWorker], Start],
        logger: logging.Logger,
    ) -> None:
        """`start_of` returns what a worker runs, by the present configuration."""
        self.workers = tuple(workers)
        self._start_of, self._logger = start_of, logger
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Start all workers and wait for them. Raises UserError if none comes up.

        The first one starts alone, because it may have to measure the network on an idle machine.
        """
        first, others = self.workers[:1], self.workers[1:]
        failures = [await self._start(worker) for worker in first]
        failures += await asyncio.gather(*(self._start(worker) for worker in others))
        if not any(worker.up for worker in self.workers):
            await self.stop()
            raise UserError(next(reason for reason in failures if reason))
        for worker, reason in zip(self.workers, failures, strict=True):
            if reason:
                self._log_failure(worker, reason)

    def _log_failure(self, worker: RemoteWorker, reason: str) -> None:
        self._logger.error("%s cannot start: %s", name_of(worker), reason)

    async def _start(self, worker: RemoteWorker) -> str:
        """Start to keep a worker; return the reason if it does not come up at once."""
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(self._keep(worker, failed))
        self._keepers.append(keeper)
        came_up = asyncio.create_task(worker.until_up())
        waiting: set[asyncio.Future[Any]] = {failed, came_up, keeper}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        came_up.cancel()
        if keeper.done():
            keeper.result()  # raises its error
        return failed.result() if failed.done() else ""

    async def _keep(self, worker: RemoteWorker, failed: asyncio.Future[str]) -> None:
        """Run a worker again and again; its first failure to come up is reported in `failed`."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            began_s, before = loop.time(), worker.times_up
            reason = await worker.run(self._start_of(worker))
            if self._stopping:
                return
            if not failed.done():
                failed.set_result(reason)  # `start` reports it
            elif worker.times_up == before:
                self._log_failure(worker, reason)
            if loop.time() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    @property
    def progressing(self) -> bool:
        """True while every worker has a task that looks after it."""
        return not any(keeper.done() for keeper in self._keepers)

    async def stop(self) -> None:
        """End all workers; kill those that do not exit in time."""
        self._stopping = True
        for worker in self.workers:
            worker.stop()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=STOP_S)
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
