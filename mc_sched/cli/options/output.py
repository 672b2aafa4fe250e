"""`--output`: the format of what a verb prints on stdout."""

from __future__ import annotations

import argparse


def add_output_option(
    parser: argparse.ArgumentParser, help_: str = "format on stdout (default: text)"
) -> None:
    """Add `--output text|json`."""
    parser.add_argument("--output", choices=("text", "json"), default="text", help=help_)
