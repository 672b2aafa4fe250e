"""Log lines on a terminal; control characters are shown as escapes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from mc_sched.cli.output.tables import print_rich

MAX_DATA_CHARS = 500
"""Characters of a line's data that are shown; `--output json` shows all."""
STYLES = {
    "critical": "magenta", "error": "red", "warning": "yellow", "info": "green", "debug": "blue",
    "trace": "cyan", "unknown": "bright_black",
}  # fmt: skip
"""Grafana's level colours, as far as a terminal has them."""
_HIDDEN_FIELDS = ("task_id", "now_ns")
"""Fields that the beginning of the line shows already."""


class LogLinePrinter:
    """Prints records of a log, in colour if stdout is a terminal."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def print(self, body: str) -> None:
        """Print one record, given as JSON."""
        record = orjson.loads(body)
        wall = datetime.fromisoformat(record["wall"]).astimezone()
        text = Text(f"{wall:%m-%d %H:%M:%S}.{wall.microsecond // 1000:03d} ")
        level = str(record["level"])
        text.append(f"{level:8} ", STYLES.get(level, STYLES["unknown"]))
        text.append(f"{record['node']:5} {printable(record.get('task_id', '-'))} ")
        text.append(f"{printable(str(record['name']))} ", "bold")
        text.append(format_data(record.get("data")))
        print_rich(text, self._console)


def format_data(data: Any) -> str:
    """Format the fields of a record's data as one line of text."""
    line = " ".join(f"{name}={value}" for name, value in _fields(data, ""))
    if len(line) <= MAX_DATA_CHARS:
        return printable(line)
    start = printable(line[:MAX_DATA_CHARS])
    return f"{start}... ({len(line):,} characters; --output json shows all)"


def _fields(data: Any, path: str) -> Iterator[tuple[str, str]]:
    """Dotted names and values of nested data, without those that are 0, empty or false."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name not in _HIDDEN_FIELDS and value:
                yield from _fields(value, f"{path}.{name}" if path else name)
    else:
        yield path, data if isinstance(data, str) else str(data)


def printable(text: str) -> str:
    """Replace control characters by escapes, so that a log line cannot steer the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
