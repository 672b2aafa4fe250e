"""`mc-sched bench`: measured figures, each against a baseline of the same run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from mc_sched.errors import UserError

NAME = "bench"
HELP = "Measure this machine: what the scheduler costs, how fast the cloud gives up."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench`."""
    jobs = parser.add_subparsers(dest="job", metavar="WHAT", required=True)
    overhead = jobs.add_parser(
        "overhead",
        help="stages, gRPC and scheduling against a plain forward pass in one process",
        epilog="example: mc-sched bench overhead --output json",
    )
    overhead.add_argument("--rounds", type=int, default=100, help="default %(default)s")
    give_up = jobs.add_parser(
        "give-up",
        help="what the cloud still does after a give-up",
        epilog="example: mc-sched bench give-up --tasks 1000",
    )
    give_up.add_argument("--tasks", type=int, default=1000, help="default %(default)s")
    for job in (overhead, give_up):
        job.add_argument("--bundle", default="set-a", help="name or directory, default %(default)s")
        job.add_argument("--seed", type=int, default=0)
        job.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched bench give-up --output json"


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    report = _overhead(args) if args.job == "overhead" else _give_up(args)
    if args.output == "json":
        print(json.dumps(report))
    else:
        _print(report)
    return 0


def _overhead(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.overhead import measure_overhead

    if args.rounds < 5:
        raise UserError("--rounds must be at least 5", exit_code=2)
    return asyncio.run(measure_overhead(args.bundle, args.rounds, _progress))


def _give_up(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.give_up import measure_give_up

    if args.tasks < 1:
        raise UserError("--tasks must be at least 1", exit_code=2)
    return asyncio.run(measure_give_up(args.bundle, args.tasks, args.seed, _progress)).report()


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(report: dict[str, Any], indent: str = "") -> None:
    for key, value in report.items():
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            _print(value, indent + "  ")
        else:
            print(f"{indent}{key}: {value:.3f}" if isinstance(value, float) else
                  f"{indent}{key}: {value}")  # fmt: skip
