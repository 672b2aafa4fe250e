"""A log line on a terminal: whatever is in it is shown as text, and moves no cursor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

LONGEST = 500
"""Characters of a line's data that are shown; `--output json` shows all."""
STYLES = {
    "critical": "magenta", "error": "red", "warning": "yellow", "info": "green", "debug": "blue",
    "trace": "cyan", "unknown": "bright_black",
}  # fmt: skip
"""Grafana's level colours, as far as a terminal has them."""
_LEFT_OUT = ("task_id", "now_ns")


class LinePrinter:
    """Prints records to stdout, in colour where that is a terminal."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def show(self, body: str) -> None:
        """Print one line."""
        record = orjson.loads(body)
        wall = datetime.fromisoformat(record["wall"]).astimezone()
        text = Text(f"{wall:%m-%d %H:%M:%S}.{wall.microsecond // 1000:03d} ")
        level = str(record["level"])
        text.append(f"{level:8} ", STYLES.get(level, STYLES["unknown"]))
        text.append(f"{record['node']:5} {printable(record.get('task_id', '-'))} ")
        text.append(f"{printable(str(record['name']))} ", "bold")
        text.append(shown(record.get("data")))
        with self._console.capture() as capture:
            self._console.print(text)
        print(capture.get(), end="", flush=True)  # rich would mind a reader that has left


def shown(data: Any) -> str:
    """The fields of a line's data in one line of text."""
    whole = " ".join(f"{name}={value}" for name, value in _fields(data, ""))
    if len(whole) <= LONGEST:
        return printable(whole)
    return f"{printable(whole[:LONGEST])}... ({len(whole):,} characters; --output json shows all)"


def _fields(data: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        for name, value in data.items():
            if name not in _LEFT_OUT and value:  # what is 0, empty or false says little
                yield from _fields(value, f"{path}.{name}" if path else name)
    else:
        yield path, data if isinstance(data, str) else str(data)


def printable(text: str) -> str:
    """Control characters as their escapes: a log line must not steer a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
