"""`mc-sched link`: emulate a network link between two ports."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mc_sched.cli.options.outage import add_outage_option
from mc_sched.units import address_argument, duration_argument, positive_argument

if TYPE_CHECKING:
    from mc_sched.link.model import LinkSpec, Rate

NAME = "link"
HELP = "Emulate a network link between two ports."

_EPILOG = """\
With --control, lines on standard input change the link while it runs:
  cut             drop all traffic; open connections stall
  cut reset       reset open connections and refuse new ones
  restore         undo the cut
  kind 3g         switch to another kind of link
  trace UP DOWN   follow two Mahimahi traces; keep the round-trip time

example:
  mc-sched link --listen 127.0.0.1:7070 --target 127.0.0.1:7071 --kind 4g --outage 10s:2s
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `link`."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--listen", type=address_argument, required=True, metavar="HOST:PORT",
        help="address that clients connect to (port 0: any free port)")  # fmt: skip
    add("--target", type=address_argument, required=True, metavar="HOST:PORT",
        help="address that the link forwards to")  # fmt: skip
    add("--kind", choices=("wifi", "4g", "3g", "ideal"), default="ideal",
        help="kind of link, which sets rates and round-trip time; the options below replace "
        "parts of it (default: %(default)s, without limits)")  # fmt: skip
    _add_rates(parser)
    add("--rtt", type=duration_argument, metavar="TIME", help="round-trip time, such as 10ms")
    add("--jitter", type=duration_argument, metavar="TIME",
        help="largest extra one-way delay; delays are uniform from 0 to this")  # fmt: skip
    add(
        "--seed", type=int, default=0, metavar="N", help="seed of the jitter (default: %(default)s)"
    )
    add_outage_option(parser, "cut the link from START on for DURATION")
    add("--control", action="store_true", help="read control lines from standard input")


def _add_rates(parser: argparse.ArgumentParser) -> None:
    for direction, receiver in (("up", "the target"), ("down", "the client")):
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            f"--{direction}", metavar="TRACE", help=f"Mahimahi trace of the rate to {receiver}"
        )
        group.add_argument(
            f"--{direction}-mbps", type=positive_argument, metavar="RATE",
            help=f"constant rate to {receiver} in megabits per second",
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Relay until SIGINT or SIGTERM."""
    import asyncio

    from mc_sched.link.session import run_link

    return asyncio.run(run_link(spec_of(args), args.listen, args.target, args.control))


def spec_of(args: argparse.Namespace) -> LinkSpec:
    """Return the link that the arguments describe."""
    from mc_sched.link.model import KINDS, LinkSpec

    kind = KINDS[args.kind]
    return LinkSpec(
        up=_rate(args.up, args.up_mbps) or kind.up,
        down=_rate(args.down, args.down_mbps) or kind.down,
        rtt_ns=kind.rtt_ns if args.rtt is None else args.rtt,
        jitter_ns=kind.jitter_ns if args.jitter is None else args.jitter,
        outages=tuple(args.outage),
        seed=args.seed,
    )


def _rate(trace_path: str | None, rate_mbps: float | None) -> Rate | None:
    from mc_sched.link.mahimahi import read_trace
    from mc_sched.link.model import mbps

    if trace_path is not None:
        return read_trace(trace_path)
    return None if rate_mbps is None else mbps(rate_mbps)
