"""`--store`: the log stores that a verb reads, by default those of this machine's agents."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.obs.store.stores import Stores

SERVICE_LOGS = Path("/var/lib/mc-sched/logs")
"""Logs of agents that systemd runs: their StateDirectory."""


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store", type=Path, action="append", default=[], metavar="FILE",
        help="log store or event log to read; may be repeated "
        "(default: the stores of this machine's agents)",
    )  # fmt: skip


def open_chosen_stores(args: argparse.Namespace) -> Stores:
    """Open the named stores, or this machine's. Raises UserError if there are none."""
    from mc_sched.obs.agent_log import default_directory
    from mc_sched.obs.store.stores import open_stores

    folders = dict.fromkeys((default_directory(), SERVICE_LOGS))
    paths = args.store or [path for folder in folders for path in _readable_stores(folder)]
    if not paths:
        raise UserError(
            f"no readable log store in {' or '.join(map(str, folders))}; "
            "start an agent on a fixed port, or name a store with --store"
        )
    return open_stores(paths)


def _readable_stores(folder: Path) -> list[Path]:
    """The stores that this user may read; those of a service belong to root and its group."""
    try:
        return sorted(path for path in folder.glob("*.db") if os.access(path, os.R_OK))
    except OSError:
        return []
