"""`--edge` and `--tls`: the edge agent that a verb talks to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mc_sched.client import EdgeClient

DEFAULT_EDGE = "127.0.0.1:7070"


def add_edge_options(parser: argparse.ArgumentParser) -> None:
    """Add `--edge` and `--tls`."""
    parser.add_argument(
        "--edge", default=DEFAULT_EDGE, metavar="HOST:PORT",
        help="address of the edge agent (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--tls", metavar="DIR",
        help="directory of this client's certificates, for an edge agent on another machine",
    )  # fmt: skip


def edge_client(args: argparse.Namespace) -> EdgeClient:
    """Return a client of that agent. Raises UserError if the certificates cannot be used."""
    from mc_proto.tls import load_identity

    from mc_sched.client import EdgeClient
    from mc_sched.errors import UserError

    try:
        return EdgeClient(args.edge, load_identity(args.tls) if args.tls else None)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from None
