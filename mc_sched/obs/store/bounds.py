"""Stored lines, and how much of them one answer may hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Line:
    """A stored line; `id` is its time in nanoseconds since 1970."""

    id: int
    body: str

    @property
    def record(self) -> dict[str, Any]:
        """The line as an object."""
        record: dict[str, Any] = orjson.loads(self.body)
        return record


@dataclass(frozen=True)
class End:
    """How far a store has been read by who follows it: what comes in later is behind this."""

    line_id: int = 0
    """The newest line."""
    behind: int = 0
    """The last of those that came in behind a later one."""


@dataclass(frozen=True)
class Bounds:
    """What one question may cost."""

    patience_s: float = float("inf")
    page_bytes: float = float("inf")
    """Of the lines of one answer, which may be fewer than were asked for; at least one comes."""


UNBOUNDED = Bounds()
SERVED = Bounds(patience_s=10.0, page_bytes=32_000_000)
"""For an agent, which has tasks to serve."""


def page(lines: Iterable[Line], page_bytes: float) -> list[Line]:
    """Lines up to so many bytes, but at least one if there is one."""
    taken: list[Line] = []
    for line in lines:
        page_bytes -= len(line.body)
        if taken and page_bytes < 0:
            break
        taken.append(line)
    return taken
