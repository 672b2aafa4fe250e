"""The summary of a run on stdout."""

from __future__ import annotations

from typing import Any

from mc_sched.cli.output.tables import print_fields
from mc_sched.obs.report.summary import summary_rows


def print_summary(summary: dict[str, Any], title: str) -> None:
    """Print the summary as a table."""
    print_fields(summary_rows(summary), title)
