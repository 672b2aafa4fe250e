"""`--outage START:DURATION`: when a link is dark."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mc_sched.units import parse_duration

if TYPE_CHECKING:
    from mc_sched.link.model import Outage


def add_outage_option(parser: argparse.ArgumentParser, help_: str) -> None:
    """Add `--outage`, which may be repeated."""
    parser.add_argument(
        "--outage", type=outage_argument, action="append", default=[], metavar="START:DURATION",
        help=f"{help_}, such as 10s:2s; may be repeated",
    )  # fmt: skip


def outage_argument(text: str) -> Outage:
    """Parse START:DURATION as an argparse type."""
    from mc_sched.link.model import Outage

    start, colon, duration = text.partition(":")
    try:
        if not colon:
            raise ValueError(f"{text!r} is not an outage; write START:DURATION, such as 10s:2s")
        return Outage(parse_duration(start), parse_duration(duration))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
