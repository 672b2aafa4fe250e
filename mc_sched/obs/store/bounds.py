"""Stored lines, and limits on the cost of a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Line:
    """A stored line."""

    id: int
    """The line's time in nanoseconds since 1970; see schema.py."""
    body: str

    @property
    def record(self) -> dict[str, Any]:
        """The line, decoded from JSON."""
        record: dict[str, Any] = orjson.loads(self.body)
        return record


@dataclass(frozen=True)
class End:
    """Position of a reader that follows a store; lines stored later come after it."""

    line_id: int = 0
    """Id of the newest line."""
    behind: int = 0
    """Number of the last line that was stored out of order (column `behind` in schema.py)."""


@dataclass(frozen=True)
class Bounds:
    """Limits on the cost of one query."""

    patience_s: float = float("inf")
    page_bytes: float = float("inf")
    """Size of the lines in one answer. An answer may be cut short, but has at least one line."""


UNBOUNDED = Bounds()
AGENT_BOUNDS = Bounds(patience_s=10.0, page_bytes=32_000_000)
"""Bounds of a query to an agent, which has to process tasks at the same time."""


def page(lines: Iterable[Line], page_bytes: float) -> list[Line]:
    """Take lines up to a size in bytes, but at least one line if there is one."""
    taken: list[Line] = []
    for line in lines:
        page_bytes -= len(line.body)
        if taken and page_bytes < 0:
            break
        taken.append(line)
    return taken
