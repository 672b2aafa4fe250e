"""Progress on stderr: single lines, and bars for verbs that take long."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

_LINE_EVERY_S = 20.0
"""Interval of the lines that replace moving bars in a file or a pipe."""


def print_progress(text: str) -> None:
    """Print one line of progress at once."""
    print(text, file=sys.stderr, flush=True)


class StageBars:
    """Progress bars with the remaining time, one per named stage of the work."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=60,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, tuple[float, int]] = {}
        self._next_line_s = 0.0

    def __enter__(self) -> StageBars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int, loss: float | None = None) -> None:
        """Show that `done` of `total` steps of `stage` are done; show the loss beside the bar."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, note="")
        note = "" if loss is None else f"loss {loss:.3f}"
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)
        if not self._progress.console.is_terminal:
            self._print_line(stage, done, total, note)

    def _print_line(self, stage: str, done: int, total: int, note: str) -> None:
        """Print the state of a stage as a line, at most every `_LINE_EVERY_S` and at its end."""
        now_s = time.monotonic()
        if now_s >= self._next_line_s or done == total:
            self._next_line_s = now_s + _LINE_EVERY_S
            left = self._time_left(stage, done, total, now_s)
            print_progress(f"{stage}: {done} of {total} {note}".rstrip() + left)

    def _time_left(self, stage: str, done: int, total: int, now_s: float) -> str:
        """Format the remaining time, from the pace since this process began the stage."""
        start_s, start = self._started.setdefault(stage, (now_s, done))
        if done in (start, total):
            return ""
        left_s = (now_s - start_s) * (total - done) / (done - start)
        return f", {left_s / 60:.0f} min left" if left_s >= 90 else f", {left_s:.0f} s left"
