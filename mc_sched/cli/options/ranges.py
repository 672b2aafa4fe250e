"""Checks of option values; a value out of range is a usage error with exit code 2."""

from __future__ import annotations

import argparse

from mc_sched.errors import UserError


def require(holds: bool, sentence: str) -> None:
    """Raise UserError with exit code 2 and this sentence unless `holds`."""
    if not holds:
        raise UserError(sentence, exit_code=2)


def check_range(
    args: argparse.Namespace, option: str, least: float, most: float | None = None
) -> None:
    """Raise UserError with exit code 2 if an option was given and is out of range.

    `option` is its name on the command line without the dashes in front.
    """
    value: float | None = getattr(args, option.replace("-", "_"))
    if value is None:
        return
    allowed = f"{least} or more" if most is None else f"{least} to {most}"
    require(
        least <= value and (most is None or value <= most),
        f"--{option} {value} is out of range; choose {allowed}",
    )
