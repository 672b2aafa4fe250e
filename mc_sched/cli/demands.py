"""What a stream demands, checked before anything is started or sent: `submit` and `demo` alike."""

from __future__ import annotations

import argparse
import math

from mc_sched.core.task import MAX_DEADLINE_NS
from mc_sched.errors import UserError


def check_demands(args: argparse.Namespace) -> None:
    """UserError with exit code 2 for the first of a stream's options that is out of range."""
    require(0 < args.fps < math.inf, "--fps must be a number above 0")
    require(
        0 < args.deadline <= MAX_DEADLINE_NS,
        f"--deadline must be above 0 and at most {MAX_DEADLINE_NS // 10**9}s",
    )
    require(
        args.accuracy is None or 0 <= args.accuracy <= 1,
        f"--accuracy {args.accuracy} is out of range; choose 0 to 1",
    )


def require(holds: bool, sentence: str) -> None:
    """UserError with exit code 2 and this sentence unless it holds."""
    if not holds:
        raise UserError(sentence, exit_code=2)
