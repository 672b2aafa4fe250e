"""`mc-sched feedback`: say that an answer was not good enough, and get another one."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from mc_sched.cli.edge_option import add_edge_options, edge_client

if TYPE_CHECKING:
    from mc_sched.client import Answer

NAME = "feedback"
HELP = "Not satisfied with an answer: raise its stream's accuracy by a step and try again."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `feedback`."""
    parser.add_argument("task_id", metavar="TASK", help="one of the last finished frames")
    add_edge_options(parser)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched feedback front-camera-12345678-00042"


def run(args: argparse.Namespace) -> int:
    """Ask again and print the new outcome."""
    import asyncio

    from mc_sched.obs.report.summary import TaskResult, result_row

    async def ask() -> Answer:
        async with edge_client(args) as client:
            return await client.feedback(args.task_id)

    answer = asyncio.run(ask())
    if args.output == "json":
        print(json.dumps(result_row(TaskResult(answer.outcome))))
    else:
        _print(answer)
    return 0


def _print(answer: Answer) -> None:
    from mc_sched.units import format_ns

    outcome = answer.outcome
    where = f"{outcome.site.value}, {outcome.exit}" if outcome.site else "no site"
    print(
        f"{outcome.task_id}: {outcome.kind.value} after {format_ns(outcome.latency_ns)} ({where}), "
        f"accuracy {outcome.required_accuracy:.2f} was demanded"
    )
    print(", ".join(answer.labels) or outcome.reason)
