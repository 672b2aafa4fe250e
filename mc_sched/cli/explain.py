"""`mc-sched explain`: why a task ended as it did."""

from __future__ import annotations

import argparse
import json

from mc_sched.cli.stores import add_stores, chosen_stores

NAME = "explain"
HELP = "Say why a task was late, given up, refused or taken back: what was predicted and happened."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    parser.add_argument(
        "task", metavar="TASK", help="the task's id, as in results and logs, or its trace's"
    )
    add_stores(parser)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched explain demo-00012 --store edge.db"


def run(args: argparse.Namespace) -> int:
    """Read the logs and tell."""
    from mc_sched.cli.log_lines import printable
    from mc_sched.obs.explain.explain import explain

    with chosen_stores(args) as stores:
        found = explain(stores, args.task)
    if args.output == "json":
        print(json.dumps(found.as_object()))
    else:
        print("\n".join(map(printable, found.text().splitlines())))
    return 0
