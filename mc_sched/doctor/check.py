"""What a check finds: a state, a sentence, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

OK, WARNING, FAILED = "ok", "warning", "failed"
Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Check:
    """One thing looked at. `remedy` says what to do unless all is well."""

    name: str
    state: str
    detail: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""
    rows: Rows = ()
    """Particulars for people, label and text."""


Look = Callable[[], Check]


def ok(name: str, detail: str, facts: dict[str, Any] | None = None, rows: Rows = ()) -> Check:
    """All is well."""
    return Check(name, OK, detail, "", facts or {}, rows)


def warning(
    name: str, detail: str, remedy: str, facts: dict[str, Any] | None = None, rows: Rows = ()
) -> Check:
    """It works, and could be better."""
    return Check(name, WARNING, detail, remedy, facts or {}, rows)


def failed(name: str, detail: str, remedy: str, facts: dict[str, Any] | None = None) -> Check:
    """An agent cannot work like this."""
    return Check(name, FAILED, detail, remedy, facts or {})
