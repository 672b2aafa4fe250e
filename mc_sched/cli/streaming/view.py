"""A stream on stderr while it runs."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.streaming.frames import Frame

if TYPE_CHECKING:
    from rich.table import Table

    from mc_sched.client import Answer

LINE_EVERY_S = 5.0
"""Interval of the lines that replace the live table in a file or a pipe."""
RECENT_FRAMES = 8
HEADINGS = ("frame", "outcome", "site", "exit", "latency", "top label", "")
STYLES = {"succeeded": "green", "late": "yellow", "refused": "magenta", "failed": "red"}


class StreamView:
    """A live table if stderr is a terminal, else a line every few seconds."""

    def __init__(self, total: int, title: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self._total = total
        self._title = title
        self._counts: Counter[str] = Counter()
        self._recent: deque[tuple[str, ...]] = deque(maxlen=RECENT_FRAMES)
        self._bad: set[str] = set()
        self._done = 0
        self._next_line = time.monotonic() + LINE_EVERY_S
        console = Console(stderr=True)
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> StreamView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self.table())
            self._live.stop()

    def show(self, answer: Answer, frame: Frame) -> None:
        """Show one more answer; the error of a bad frame is printed once per frame name."""
        outcome = answer.outcome
        site = outcome.site.value if outcome.site else "-"
        self._done += 1
        self._counts[outcome.kind.value] += 1
        self._counts[site] += 1
        self._counts["gave_up"] += outcome.gave_up
        label = answer.labels[0] if answer.labels else outcome.reason[:40]
        latency = f"{outcome.latency_ns / 1e6:.1f} ms"
        note = "fallback" if outcome.gave_up and site == "edge" else ""
        self._recent.append(
            (frame.name, outcome.kind.value, site, outcome.exit or "-", latency, label, note)
        )
        if answer.error:
            self._print_error(frame.name, answer.error)
        if self._live is not None:
            self._live.update(self.table())
        elif time.monotonic() >= self._next_line:
            self._next_line += LINE_EVERY_S
            print_progress(self.line())

    def _print_error(self, name: str, error: str) -> None:
        if name not in self._bad:
            self._bad.add(name)
            print_progress(f"{name}: {error}")

    def line(self) -> str:
        """The state of the stream in one line."""
        counts = self._counts
        return (
            f"{self._title}: {self._done}/{self._total}, {counts['succeeded']} in time, "
            f"{counts['late']} late, {counts['refused']} refused, {counts['failed']} failed; "
            f"edge {counts['edge']}, cloud {counts['cloud']}, given up {counts['gave_up']}"
        )

    def table(self) -> Table:
        """The state of the stream above a table of the last frames."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.line(), "bold"), title_justify="left")
        for heading in HEADINGS:
            table.add_column(heading, justify="right" if heading == "latency" else "left")
        for row in self._recent:
            table.add_row(*map(Text, row), style=STYLES[row[1]])
        return table
