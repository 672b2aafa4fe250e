"""`mc-sched link`: emulate a link between two ports."""

import argparse
from typing import TYPE_CHECKING

from mc_sched.units import address_argument, duration_argument, parse_duration, positive_argument

if TYPE_CHECKING:
    from mc_sched.link.model import LinkSpec, Outage, Rate

NAME = "link"
HELP = "emulate a link between two ports"

_EPILOG = """\
with --control, lines on standard input steer the link while it runs:
  cut         nothing passes; open connections stall
  cut reset   open connections are reset, new ones refused
  restore     undo the cut
  kind 3g     change to another kind
  trace UP DOWN   follow these two Mahimahi traces; the round trip stays

example:
  mc-sched link --listen 127.0.0.1:7070 --target 127.0.0.1:7071 --kind 4g --outage 10s:2s
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--listen", type=address_argument, required=True, metavar="HOST:PORT",
        help="where clients connect (port 0: any free port)")  # fmt: skip
    add("--target", type=address_argument, required=True, metavar="HOST:PORT",
        help="where the relay connects to")  # fmt: skip
    add("--kind", choices=("wifi", "4g", "3g", "ideal"), default="ideal",
        help="rates and round trip to start from (default: ideal, no limit)")  # fmt: skip
    _add_rates(parser)
    add("--rtt", type=duration_argument, metavar="TIME", help="round trip, like 10ms")
    add("--jitter", type=duration_argument, metavar="TIME",
        help="extra one-way delay, uniform from 0 to this")  # fmt: skip
    add("--seed", type=int, default=0, help="seed of the jitter (default: 0)")
    add("--outage", type=outage_argument, action="append", default=[], metavar="START:DURATION",
        help="the link is dark from START on, like 10s:2s (repeatable)")  # fmt: skip
    add("--control", action="store_true", help="read control lines on standard input")


def _add_rates(parser: argparse.ArgumentParser) -> None:
    for way, towards in (("up", "to the target"), ("down", "to the client")):
        group = parser.add_mutually_exclusive_group()
        group.add_argument(f"--{way}", metavar="TRACE", help=f"Mahimahi trace {towards}")
        group.add_argument(
            f"--{way}-mbps", type=positive_argument, metavar="RATE",
            help=f"rate {towards} in megabits per second",
        )  # fmt: skip


def outage_argument(text: str) -> "Outage":
    """START:DURATION as an argparse type."""
    from mc_sched.link.model import Outage

    start, colon, duration = text.partition(":")
    try:
        if not colon:
            raise ValueError(f"{text!r} is no outage; write START:DURATION, like 10s:2s")
        return Outage(parse_duration(start), parse_duration(duration))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Relay until SIGINT or SIGTERM."""
    import asyncio

    from mc_sched.link.session import run_link

    return asyncio.run(run_link(spec_of(args), args.listen, args.target, args.control))


def spec_of(args: argparse.Namespace) -> "LinkSpec":
    """The link that the arguments describe: the kind, with what is given in its place."""
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


def _rate(trace_path: str | None, rate_mbps: float | None) -> "Rate | None":
    from mc_sched.link.mahimahi import read_trace
    from mc_sched.link.model import mbps

    if trace_path is not None:
        return read_trace(trace_path)
    return None if rate_mbps is None else mbps(rate_mbps)
