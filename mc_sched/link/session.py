"""A relay run from a command line: signals end it, control lines change it."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from mc_sched.errors import UserError
from mc_sched.link.mahimahi import read_trace
from mc_sched.link.model import KINDS, LinkSpec
from mc_sched.link.relay import Relay
from mc_sched.units import format_address

_STDIN = 0


async def run_link(
    spec: LinkSpec, listen: tuple[str, int], target: tuple[str, int], with_control: bool
) -> int:
    """Relay until SIGINT or SIGTERM and return 0. Raises UserError if it cannot listen."""
    relay = Relay(spec)
    port = await relay.start(*listen, *target)
    stopped = _stop_on_signals()
    _print(f"listening on {format_address(listen[0], port)}")
    if with_control:
        _follow_stdin(lambda line: _print(apply_control_line(relay, line)))
    await stopped.wait()
    await relay.close()
    _print(f"relayed {relay.stats.up_bytes} bytes up, {relay.stats.down_bytes} bytes down")
    return 0


def apply_control_line(relay: Relay, line: str) -> str:
    """Apply a control line; return the sentence to print."""
    match line.split(maxsplit=2):
        case ["cut"]:
            relay.cut("blackhole")
            return "link cut"
        case ["cut", "reset"]:
            relay.cut("reset")
            return "link cut, connections reset"
        case ["restore"]:
            return _restore(relay)
        case ["kind", kind] if kind in KINDS:
            relay.set_spec(KINDS[kind].with_outages(relay.spec.outages))
            return f"link is now {kind}"
        case ["trace", up, down]:
            return _follow_traces(relay, up, down)
    return (
        f"unknown control line {line!r}; "
        f"use cut, cut reset, restore, kind {'|'.join(KINDS)}, trace UP DOWN"
    )


def _follow_traces(relay: Relay, up: str, down: str) -> str:
    try:
        relay.set_spec(replace(relay.spec, up=read_trace(up), down=read_trace(down)))
    except UserError as error:
        return str(error)
    return f"link follows {up} and {down}"


def _restore(relay: Relay) -> str:
    try:
        relay.restore()
    except UserError as error:
        return str(error)
    return "link restored"


def _stop_on_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _follow_stdin(on_line: Callable[[str], None]) -> None:
    """Call `on_line` on the loop for every line of standard input, until its end."""
    loop = asyncio.get_running_loop()

    def follow() -> None:
        # standard input may be closed, and the loop may have ended
        with contextlib.suppress(OSError, RuntimeError):
            for line in _stdin_lines():
                loop.call_soon_threadsafe(on_line, line)

    threading.Thread(target=follow, name="control", daemon=True).start()


def _stdin_lines() -> Iterator[str]:
    rest = b""
    # os.read takes no lock that would block the interpreter's exit
    while data := os.read(_STDIN, 4096):
        *lines, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace").strip() for line in lines if line.strip())


def _print(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
