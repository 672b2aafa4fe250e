"""The live table of `mc-sched bench load` on stderr."""

from __future__ import annotations

from types import TracebackType

from mc_sched.bench.load.report import HEADINGS, row
from mc_sched.bench.load.tally import LoadPoint
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import make_table

ROWS = 20
"""Most recent measurements that the table shows."""


class LoadTable:
    """A table that grows by a row per measurement; in a file or a pipe, plain lines."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._rows: list[tuple[str, ...]] = []
        console = Console(stderr=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> LoadTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, name: str, point: LoadPoint) -> None:
        """Show a measurement."""
        self._rows.append(row(name, point))
        if self._live is None:
            print_progress("  ".join(
                f"{heading} {cell}" if heading != "server" else cell
                for heading, cell in zip(HEADINGS, self._rows[-1], strict=True) if cell
            ))  # fmt: skip
        else:
            shown = self._rows[-ROWS:]
            self._live.update(make_table(shown, headings=HEADINGS, numbers_from=1), refresh=True)
