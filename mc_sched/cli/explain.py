"""`mc-sched explain`: explain a task's outcome."""

from __future__ import annotations

import argparse
import json

from mc_sched.cli.options.log_stores import add_store_option, open_chosen_stores
from mc_sched.cli.options.output import add_output_option

NAME = "explain"
HELP = "Explain a task's outcome: compare what was predicted with what happened."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain`."""
    parser.add_argument(
        "task", metavar="TASK", help="id of the task, as in results and logs, or of its trace"
    )
    add_store_option(parser)
    add_output_option(parser)
    parser.epilog = "example: mc-sched explain demo-00012 --store edge.db"


def run(args: argparse.Namespace) -> int:
    """Read the logs and print the explanation."""
    from mc_sched.cli.output.log_lines import printable
    from mc_sched.obs.explain.explain import explain

    with open_chosen_stores(args) as stores:
        explanation = explain(stores, args.task)
    if args.output == "json":
        print(json.dumps(explanation.as_object()))
    else:
        print("\n".join(map(printable, explanation.text().splitlines())))
    return 0
