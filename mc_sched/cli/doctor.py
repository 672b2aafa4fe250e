"""`mc-sched doctor`: check a machine, and suggest remedies."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.output.tables import print_fields
from mc_sched.doctor.check import FAILED, Check

NAME = "doctor"
HELP = "Check that this machine has what the agents need, and suggest remedies."
SCHEMA = "mc-sched/doctor/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument(
        "--node", choices=("edge", "cloud"), action="append",
        help="check this agent's installation; may be repeated (default: all installed agents)",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help="configuration of that agent (default: its file in /etc/mc-sched)",
    )  # fmt: skip
    add_output_option(parser)
    parser.epilog = "example: mc-sched doctor --node edge --output json"


def run(args: argparse.Namespace) -> int:
    """Print every check; return 1 if one failed, and 0 if there were only warnings."""
    checks = list(_checks(args.node, args.config))
    if args.output == "json":
        report = [{k: v for k, v in asdict(check).items() if k != "rows"} for check in checks]
        print(json.dumps({"schema": SCHEMA, "checks": report}))
    else:
        for check in checks:
            _print(check)
    return 1 if any(check.state == FAILED for check in checks) else 0


def _checks(kinds: list[str] | None, config: Path | None) -> Iterator[Check]:
    """Check the machine, then each agent on it."""
    from mc_sched.doctor.machine import check_clock, check_python, check_torch
    from mc_sched.doctor.node import check_node, installed_nodes
    from mc_sched.doctor.sensors import check_load, check_power

    for check in (check_python, check_torch, check_clock, check_power, check_load):
        yield check()
    for kind in installed_nodes() if kinds is None else kinds:
        yield from check_node(kind, config)


def _print(check: Check) -> None:
    rows = [(check.state, check.detail)]
    if check.remedy:
        rows.append(("to do", check.remedy))
    print_fields([*rows, *check.rows], check.name)
