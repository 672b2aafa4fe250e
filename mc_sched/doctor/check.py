"""Result of a check: a state, a sentence and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

OK, WARNING, FAILED = "ok", "warning", "failed"
Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Check:
    """Result of one check; `remedy` is empty if the state is ok."""

    name: str
    state: str
    detail: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """The result in machine-readable form."""
    rows: Rows = ()
    """Details for display: label and text."""


CheckFunction = Callable[[], Check]


def ok(name: str, detail: str, facts: dict[str, Any] | None = None, rows: Rows = ()) -> Check:
    """Return a result without a problem."""
    return Check(name, OK, detail, "", facts or {}, rows)


def warning(
    name: str, detail: str, remedy: str, facts: dict[str, Any] | None = None, rows: Rows = ()
) -> Check:
    """Return a result with a problem that agents can work with."""
    return Check(name, WARNING, detail, remedy, facts or {}, rows)


def failed(name: str, detail: str, remedy: str, facts: dict[str, Any] | None = None) -> Check:
    """Return a result with a problem that keeps an agent from working."""
    return Check(name, FAILED, detail, remedy, facts or {})
