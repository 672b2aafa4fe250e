"""The options with which a verb is told whom to talk to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mc_sched.client import EdgeClient


def add_edge_options(parser: argparse.ArgumentParser) -> None:
    """`--edge` and `--tls`."""
    parser.add_argument(
        "--edge", default="127.0.0.1:7070", metavar="HOST:PORT", help="default %(default)s"
    )
    parser.add_argument(
        "--tls", metavar="DIR", help="certificates for an edge agent on another machine"
    )


def edge_client(args: argparse.Namespace) -> EdgeClient:
    """The client of that agent; UserError if the certificates cannot be used."""
    from mc_proto.tls import load_identity

    from mc_sched.client import EdgeClient
    from mc_sched.errors import UserError

    try:
        return EdgeClient(args.edge, load_identity(args.tls) if args.tls else None)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from None
