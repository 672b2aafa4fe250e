"""Which log stores a verb reads: those that are named, or those of this machine's agents."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.obs.store.stores import Stores

SERVICE_LOGS = Path("/var/lib/mc-sched/logs")
"""Of agents that systemd runs: their StateDirectory."""


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

    folders = dict.fromkeys((default_directory(), SERVICE_LOGS))
    paths = args.store or [path for folder in folders for path in _stores_in(folder)]
    if not paths:
        raise UserError(
            f"there is no log store in {' or '.join(map(str, folders))} that may be read; "
            "start an agent on a fixed port, or name a store with --store"
        )
    return open_stores(paths)


def _stores_in(folder: Path) -> list[Path]:
    """Those that this user may read: a service's are for root and its own group."""
    try:
        return sorted(path for path in folder.glob("*.db") if os.access(path, os.R_OK))
    except OSError:
        return []
