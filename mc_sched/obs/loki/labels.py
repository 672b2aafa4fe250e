"""The store's lines as Loki streams: few labels, all else as structured metadata of the line."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mc_sched.obs.loki.flat_names import flat_names
from mc_sched.obs.loki.logql import Condition, LogQLError, LogQuery
from mc_sched.obs.store.line import Labels, field_of
from mc_sched.obs.store.patterns import BadPattern, compiled, is_match
from mc_sched.obs.store.query import Query, Term, condition

SERVICE = "mc-sched"
FIXED = {"service_name": SERVICE, "host": socket.gethostname()}
OURS = {"component": "node", "level": "level"}
"""Label in Loki -> label in the store."""
NAMES = (*FIXED, *OURS)
METADATA = (
    ("task_id", "task"),
    ("trace_id", "trace_id"),
    ("stream_id", "task.stream_id"),
    ("stream_id", "outcome.stream_id"),
    *((name, name) for name in ("name", "kind", "site", "outcome", "exit", "worker")),
)
"""Name of a metadata entry and the store's field that holds it; the first field found counts."""
_ALIASES = {"detected_level": "level", "task_id": "task", "component": "node", "__error__": ""}
Values = Callable[[str], Iterable[str]]


def stream_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the Loki labels of a line."""
    return {**FIXED, "component": str(record["node"]), "level": str(record["level"])}


def metadata_of(record: dict[str, Any]) -> dict[str, str]:
    """Return the structured metadata of a line."""
    found = ((name, field_of(record, field)) for name, field in METADATA)
    return {name: value for name, value in found if value}


def stored_name(name: str) -> str:
    """Return the store's name of a Loki label or field; "" for one that the store ignores."""
    return _ALIASES[name] if name in _ALIASES else flat_names().get(name, name)


def query_of(parsed: LogQuery, since_ns: int, until_ns: int, values: Values) -> Query | None:
    """Translate a log query for the store; None if no line can match.

    `values` returns the values that a label has in the store.
    """
    terms: list[Term] = []
    for matcher in parsed.conditions:
        name = stored_name(matcher.name)
        if matcher.name in FIXED:
            if not _matches(matcher, FIXED[matcher.name]):
                return None
        elif name in Labels._fields and matcher.operator in ("=~", "!~"):
            unwanted = [v for v in ("", *values(name)) if not _matches(matcher, v)]
            terms += [Term(name, "!=", value) for value in unwanted]
        elif name:
            terms.append(_term(name, matcher))
    return Query(since_ns, until_ns, tuple(terms), (), *_line_filters(parsed))


def _term(name: str, matcher: Condition) -> Term:
    if matcher.operator in ("=~", "!~"):
        raise LogQLError(f"{matcher.name}: {matcher.operator} works on labels only; use = or !=")
    return condition(name, matcher.operator, matcher.value)


def _line_filters(
    parsed: LogQuery,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """Return texts that must occur, texts that must not, and patterns."""

    def texts(operator: str) -> tuple[str, ...]:
        return tuple(text for used, text in parsed.line if used == operator and text)

    patterns = [(_checked(pattern), True) for pattern in texts("|~")]
    patterns += [(_checked(pattern), False) for pattern in texts("!~")]
    return texts("|="), texts("!="), tuple(patterns)


def _matches(matcher: Condition, value: str) -> bool:
    if matcher.operator in ("=", "!="):
        return (value == matcher.value) is (matcher.operator == "=")
    return is_match(_checked(matcher.value), value) is (matcher.operator == "=~")


def _checked(pattern: str) -> str:
    try:
        compiled(pattern)
    except BadPattern as error:
        raise LogQLError(str(error)) from None
    return pattern
