"""What both daemons do around their work: options, signals, the last twenty seconds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from mc_sched.config import Config, parse_config, read_yaml
from mc_sched.errors import UserError

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


async def until_stopped() -> None:
    """Return when SIGTERM or SIGINT arrives."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


async def stop(server: Stoppable) -> None:
    """Stop a gRPC server; the calls that it cuts off get the turns of the loop that they need."""
    await server.stop(STOP_GRACE_S)
    await asyncio.sleep(LAST_TURNS_S)


async def bounded(drain: Coroutine[Any, Any, None]) -> None:
    """Wait for a drain, but not beyond what a service manager allows."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(drain, DRAIN_S)
