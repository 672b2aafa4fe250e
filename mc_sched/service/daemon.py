"""The process of a daemon: configuration, logger, signals, reload, watchdog, orderly end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client.registry import Collector

from mc_sched.errors import UserError
from mc_sched.obs.agent_log import store_file
from mc_sched.obs.routes import agent_routes
from mc_sched.obs.web.serving import serving
from mc_sched.service.config import AgentConfig
from mc_sched.service.garbage import keep_for_good
from mc_sched.service.logger import process_log
from mc_sched.service.options import configure
from mc_sched.service.reload import Reloader
from mc_sched.service.systemd import notify, notify_reloading, ping_interval_s

ConfigT = TypeVar("ConfigT", bound=AgentConfig)
AppliedT = TypeVar("AppliedT", bound=AgentConfig, contravariant=True)


class Agent(Protocol[AppliedT]):
    """An agent as the process sees it."""

    @property
    def expires(self) -> datetime | None:
        """Expiry time of the gRPC port's certificate, or None without one."""

    def collector(self) -> Collector:
        """Return the source of the metrics; it is read from other threads."""

    def progressing(self) -> bool:
        """Return True unless the agent hangs; the watchdog is pinged only then."""

    def apply(self, new: AppliedT) -> None:
        """Apply a reloaded configuration."""

    async def start(self) -> None:
        """Take tasks."""

    async def stop(self) -> None:
        """Drain, and release everything."""


@dataclass(frozen=True)
class Daemon(Generic[ConfigT]):
    """One kind of agent and how to make it."""

    node: str
    """`edge` or `cloud`."""
    config: type[ConfigT]
    live: frozenset[str]
    """Keys that a reload changes."""
    make: Callable[[ConfigT, logging.Logger], Agent[ConfigT]]
    """Makes the agent, on the loop that it serves on."""

    @property
    def name(self) -> str:
        """Name of the process, in its messages."""
        return f"mc-{self.node}-agent"

    def main(self, args: argparse.Namespace) -> int:
        """Run an agent until SIGTERM; returns the exit code."""

        def read() -> ConfigT:
            return configure(args, self.config)

        try:
            config = read()
        except UserError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            return error.exit_code
        return run(self._serve(config, read), self.name)

    async def _serve(self, config: ConfigT, read: Callable[[], ConfigT]) -> None:
        """Load, warm up, serve, drain; `read` reads the configuration again."""
        logger = process_log(self.name, config.log_level)
        agent = self.make(config, logger)
        reloader = Reloader(config, read, self.live, agent.apply, logger)
        await agent.start()
        keep_for_good()
        routes = agent_routes(self.node, store_file(config, self.node))
        with serving(config, self.node, agent.collector(), routes, agent.expires):
            await until_stopped(agent.progressing, reloader.reload)
        await agent.stop()


def run(main: Coroutine[Any, Any, None], name: str) -> int:
    """Run a daemon to its end; print an expected error as one sentence and return 1."""
    try:
        asyncio.run(main)
    except (UserError, OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


async def until_stopped(
    progressing: Callable[[], bool] = lambda: True, reload: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT arrives; SIGHUP calls `reload`.

    The service manager is notified that the agent is ready, and its watchdog is pinged while
    `progressing` returns True.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, reload)
    pings = asyncio.create_task(_ping_watchdog(progressing))
    notify("READY=1")
    await stopped.wait()
    notify("STOPPING=1")
    pings.cancel()


def _reload(reload: Callable[[], None]) -> None:
    notify_reloading()
    try:
        reload()
    finally:
        notify("READY=1")


async def _ping_watchdog(progressing: Callable[[], bool]) -> None:
    """Ping the service manager while the loop runs and `progressing` returns True."""
    interval_s = ping_interval_s()
    while interval_s is not None:
        if progressing():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
