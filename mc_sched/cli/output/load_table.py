"""The live table of `mc-sched bench load` on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mc_sched.bench.load.report import HEADINGS, row
from mc_sched.bench.load.tally import LoadPoint
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import make_table

ROWS = 20
"""Most recent measurements that the table shows."""


@contextmanager
def load_table() -> Iterator[Callable[[str, LoadPoint], None]]:
    """Yield a function that adds a named measurement; in a file or a pipe it prints a line."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_line
        return
    rows: list[tuple[str, ...]] = []
    with Live(console=console, auto_refresh=False) as live:

        def add(name: str, point: LoadPoint) -> None:
            rows.append(row(name, point))
            table = make_table(rows[-ROWS:], headings=HEADINGS, numbers_from=1)
            live.update(table, refresh=True)

        yield add


def _print_line(name: str, point: LoadPoint) -> None:
    cells = row(name, point)[1:]
    named = (f"{heading} {cell}" for heading, cell in zip(HEADINGS[1:], cells, strict=True) if cell)
    print_progress("  ".join((name, *named)))
