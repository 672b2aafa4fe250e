"""What both daemons do around their work: options, signals, watchdog, the last twenty seconds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from mc_proto.gate import Gate
from mc_proto.tls import Identity, load_identity

from mc_sched.config import Config, parse_config, read_yaml
from mc_sched.errors import UserError
from mc_sched.service.config import AgentConfig
from mc_sched.service.systemd import notify, notify_reloading, ping_interval_s

STOP_GRACE_S, LAST_TURNS_S = 1.0, 0.05
DRAIN_S = 18.0
"""Longest drain; the process has to be gone 20 s after SIGTERM."""

ConfigT = TypeVar("ConfigT", bound=Config)


class Stoppable(Protocol):
    """What a gRPC server is to this file."""

    async def stop(self, grace: float | None) -> None:
        """Take no new calls, cut off those that last longer than `grace` seconds."""


def configure(args: argparse.Namespace, model: type[ConfigT]) -> ConfigT:
    """The configuration file, if one is named, with the command line's options on top."""
    values = read_yaml(args.config) if args.config else {}
    # alone first, so that an option is not blamed for what is wrong in the file
    parse_config(values, model, args.config or "defaults")
    given = {k: v for k, v in vars(args).items() if k != "config" and v is not None}
    return parse_config(_merged(values, given), model, "command line")


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """What is above covers what is below, in nested parts key by key."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merged(below[key], above[key])
    return merged


def run(main: Coroutine[Any, Any, None], name: str) -> int:
    """Run a daemon to its end; errors for people become a sentence and exit code 1."""
    try:
        asyncio.run(main)
    except (UserError, OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0


def identity_for(config: AgentConfig, address: str) -> Identity | None:
    """The certificates for a connection; None where it is plain. ValueError or OSError."""
    directory = config.tls_for(address)
    return None if directory is None else load_identity(directory)


def make_gate(config: AgentConfig, log: logging.Logger) -> Gate:
    """Who may call this agent, and how much."""
    allowed = config.tls.allow if config.tls else ()
    gate = Gate(allowed, log=log)
    set_limits(gate, config)
    return gate


def set_limits(gate: Gate, config: AgentConfig) -> None:
    """The configuration's limits, from now on."""
    # a client asks, probes and gives up beside its tasks
    gate.calls.most = 2 * config.limits.tasks_per_client + 16
    gate.upload_s = config.limits.upload / 1e9


async def until_stopped(
    alive: Callable[[], bool] = lambda: True, reload: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT arrives; SIGHUP calls `reload`.

    The service manager hears that the agent is ready, and of it as long as it is `alive`.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, reload)
    feeding = asyncio.create_task(_feed_watchdog(alive))
    notify("READY=1")
    await stopped.wait()
    notify("STOPPING=1")
    feeding.cancel()


def _reload(reload: Callable[[], None]) -> None:
    notify_reloading()
    try:
        reload()
    finally:
        notify("READY=1")


async def _feed_watchdog(alive: Callable[[], bool]) -> None:
    """Tell the service manager that the loop turns, and with it all that `alive` looks at."""
    interval_s = ping_interval_s()
    while interval_s is not None:
        if alive():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)


async def stop(server: Stoppable) -> None:
    """Stop a gRPC server; the calls that it cuts off get the turns of the loop that they need."""
    await server.stop(STOP_GRACE_S)
    await asyncio.sleep(LAST_TURNS_S)


async def bounded(drain: Coroutine[Any, Any, None]) -> None:
    """Wait for a drain, but not beyond what a service manager allows."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(drain, DRAIN_S)
