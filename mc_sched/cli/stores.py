"""Which log stores a verb reads: those that are named, or those of this machine's agents."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.obs.store.stores import Stores


def add_stores(parser: argparse.ArgumentParser) -> None:
    """The option that names stores."""
    parser.add_argument(
        "--store", type=Path, action="append", default=[], metavar="FILE",
        help="a log store or event log (repeatable); default: those of this machine's agents",
    )  # fmt: skip


def chosen_stores(args: argparse.Namespace) -> Stores:
    """The stores, open. UserError where there is none."""
    from mc_sched.obs.agent_log import default_directory
    from mc_sched.obs.store.stores import open_stores

    paths = args.store or sorted(default_directory().glob("*.db"))
    if not paths:
        raise UserError(
            f"there is no log store in {default_directory()}; "
            "start an agent on a fixed port, or name a store with --store"
        )
    return open_stores(paths)
