"""Options that set or replace the constraints of a stream's tasks, and their checks."""

from __future__ import annotations

import argparse
import math

from mc_sched.cli.options.ranges import check_range, require
from mc_sched.core.policies import POLICIES
from mc_sched.core.task import MAX_DEADLINE_NS
from mc_sched.units import duration_argument

PRIVACY = ("edge-only", "features", "any")
ACCURACY_HELP = "QoR, the least expected top-5 accuracy, from 0 to 1"
PRIVACY_HELP = (
    "payloads that may leave the device: none, features only, or any (default: %(default)s)"
)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the options that replace the constraints of a scenario or a log; all default to None."""
    add = parser.add_argument
    add("--policy", choices=POLICIES, help="scheduling policy (default: unchanged)")
    add("--mode", choices=("performance", "energy"), help="mode of the policy (default: unchanged)")
    add(
        "--deadline",
        type=duration_argument,
        metavar="TIME",
        help="QoS, the time from submission to outcome, such as 84ms (default: unchanged)",
    )
    add("--accuracy", type=float, metavar="SHARE", help=f"{ACCURACY_HELP} (default: unchanged)")


def check_overrides(args: argparse.Namespace) -> None:
    """Raise UserError with exit code 2 if `--deadline` or `--accuracy` is out of range."""
    require(
        args.deadline is None or 0 < args.deadline <= MAX_DEADLINE_NS,
        f"--deadline must be above 0 and at most {MAX_DEADLINE_NS // 10**9}s",
    )
    check_range(args, "accuracy", 0, 1)


def check_constraints(args: argparse.Namespace) -> None:
    """Raise UserError with exit code 2 for a live stream's first option that is out of range."""
    require(0 < args.fps < math.inf, "--fps must be a number above 0")
    check_overrides(args)
