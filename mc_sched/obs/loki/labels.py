"""Lines as Loki's streams: few labels, the rest beside the line as structured metadata."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mc_sched.obs.loki.logql import Condition, LogQuery
from mc_sched.obs.store.line import Labels
from mc_sched.obs.store.query import FIELD, Query, Term
from mc_sched.obs.store.reader import field_of
from mc_sched.obs.web.http import BadRequest

SERVICE = "mc-sched"
FIXED = {"service_name": SERVICE, "host": socket.gethostname()}
OURS = {"component": "node", "level": "level"}
"""Loki's label to the store's."""
NAMES = (*FIXED, *OURS)
METADATA = ("task", "name", "kind", "site", "outcome", "exit")
_ALIASES = {"detected_level": "level", "task_id": "task", "component": "node", "__error__": ""}
Values = Callable[[str], Iterable[str]]


def stream_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a line."""
    return {**FIXED, "component": str(record["node"]), "level": str(record["level"])}


def metadata_of(record: dict[str, Any]) -> dict[str, str]:
    """What stands beside it."""
    known = {name: field_of(record, name) for name in METADATA}
    found = {("task_id" if name == "task" else name): value for name, value in known.items()}
    return {name: value for name, value in found.items() if value}


def stored_name(name: str) -> str:
    """What the store calls a label or field of Loki's."""
    return _ALIASES.get(name, name)


def query_of(parsed: LogQuery, since_ns: int, until_ns: int, values: Values) -> Query | None:
    """The store's query; None where no line can match. `values` are those a label has."""
    terms: list[Term] = []
    for condition in parsed.conditions:
        name = stored_name(condition.name)
        if condition.name in FIXED:
            if not _holds(condition, FIXED[condition.name]):
                return None
        elif name in Labels._fields and condition.operator in ("=~", "!~"):
            unwanted = [v for v in ("", *values(name)) if not _holds(condition, v)]
            terms += [Term(name, "!=", value) for value in unwanted]
        elif name:
            terms.append(_term(name, condition))
    return Query(since_ns, until_ns, tuple(terms), (), *_on_the_line(parsed))


def _term(name: str, condition: Condition) -> Term:
    if condition.operator in ("=~", "!~"):
        raise BadRequest(f"{condition.name}: {condition.operator} is for labels; use = or !=")
    if not FIELD.fullmatch(name):
        raise BadRequest(f"{name[:40]!r} is no name of a field")
    return Term(name, condition.operator, condition.value)


def _on_the_line(
    parsed: LogQuery,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """Texts that must occur, that must not, and patterns."""

    def of(sign: str) -> tuple[str, ...]:
        return tuple(text for operator, text in parsed.line if operator == sign and text)

    patterns = [(_compiled(p).pattern, True) for p in of("|~")]
    patterns += [(_compiled(p).pattern, False) for p in of("!~")]
    return of("|="), of("!="), tuple(patterns)


def _holds(condition: Condition, value: str) -> bool:
    if condition.operator in ("=", "!="):
        return (value == condition.value) is (condition.operator == "=")
    matches = _compiled(condition.value).fullmatch(value) is not None
    return matches is (condition.operator == "=~")


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise BadRequest(f"{pattern[:40]!r} is no regular expression: {error}") from None
