"""`mc-sched doctor`: what this machine has for the agents, what is missing, and what to do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from mc_sched.cli.tables import print_rows
from mc_sched.doctor.check import FAILED, Check

NAME = "doctor"
HELP = "Check what this machine has for the agents, what is missing, and what to do about it."
SCHEMA = "mc-sched/doctor/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument(
        "--node", choices=("edge", "cloud"), action="append",
        help="check this agent's place here too; default: those that are installed",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="its configuration, if not in /etc/mc-sched"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched doctor --node edge --output json"


def run(args: argparse.Namespace) -> int:
    """Check and tell; the exit code is 1 if a check failed, and 0 with warnings."""
    checks = list(_checks(args.node, args.config))
    if args.output == "json":
        told = [{k: v for k, v in asdict(check).items() if k != "rows"} for check in checks]
        print(json.dumps({"schema": SCHEMA, "checks": told}))
    else:
        for check in checks:
            _print(check)
    return 1 if any(check.state == FAILED for check in checks) else 0


def _checks(kinds: list[str] | None, config: Path | None) -> Iterator[Check]:
    """Of the machine, then of each node on it."""
    from mc_sched.doctor.machine import check_clock, check_python, check_torch
    from mc_sched.doctor.node import check_node, installed_nodes
    from mc_sched.doctor.sensors import check_load, check_power

    for look in (check_python, check_torch, check_clock, check_power, check_load):
        yield look()
    for kind in installed_nodes() if kinds is None else kinds:
        yield from check_node(kind, config)


def _print(check: Check) -> None:
    rows = [(check.state, check.detail)]
    if check.remedy:
        rows.append(("to do", check.remedy))
    print_rows([*rows, *check.rows], check.name)
