"""`mc-sched feedback`: report an unsatisfactory answer, and get another one."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from mc_sched.cli.options.edge import add_edge_options, edge_client
from mc_sched.cli.options.output import add_output_option

if TYPE_CHECKING:
    from mc_sched.client import Answer

NAME = "feedback"
HELP = "Reject an answer: raise the stream's accuracy by one step and process the task again."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `feedback`."""
    parser.add_argument(
        "task_id", metavar="TASK", help="id of a recently finished task, as in results and logs"
    )
    add_edge_options(parser)
    add_output_option(parser)
    parser.epilog = "example: mc-sched feedback front-camera-12345678-00042"


def run(args: argparse.Namespace) -> int:
    """Send the feedback and print the new outcome."""
    import asyncio

    from mc_sched.obs.report.summary import TaskResult, result_row

    async def send() -> Answer:
        async with edge_client(args) as client:
            return await client.feedback(args.task_id)

    answer = asyncio.run(send())
    if args.output == "json":
        print(json.dumps(result_row(TaskResult(answer.outcome))))
    else:
        _print(answer)
    return 0


def _print(answer: Answer) -> None:
    from mc_sched.units import format_ns

    outcome = answer.outcome
    site = f"{outcome.site.value}, {outcome.exit}" if outcome.site else "no site"
    print(
        f"{outcome.task_id}: {outcome.kind.value} after {format_ns(outcome.latency_ns)} ({site}), "
        f"required accuracy {outcome.required_accuracy:.2f}"
    )
    print(", ".join(answer.labels) or outcome.reason)
