"""Lines as Loki's streams: few labels, the rest beside the line as structured metadata."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mc_sched.obs.loki.flat_names import flat_names
from mc_sched.obs.loki.logql import Condition, LogQuery
from mc_sched.obs.store.line import Labels, field_of
from mc_sched.obs.store.patterns import BadPattern, compiled, is_match
from mc_sched.obs.store.query import Query, Term, condition
from mc_sched.obs.web.http import BadRequest

SERVICE = "mc-sched"
FIXED = {"service_name": SERVICE, "host": socket.gethostname()}
OURS = {"component": "node", "level": "level"}
"""Loki's label to the store's."""
NAMES = (*FIXED, *OURS)
METADATA = (
    ("task_id", "task"),
    ("trace_id", "trace_id"),
    ("stream_id", "task.stream_id"),
    ("stream_id", "outcome.stream_id"),
    *((name, name) for name in ("name", "kind", "site", "outcome", "exit")),
)
"""What stands beside a line, and where it is found; a name may be found in several places."""
_ALIASES = {"detected_level": "level", "task_id": "task", "component": "node", "__error__": ""}
Values = Callable[[str], Iterable[str]]


def stream_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a line."""
    return {**FIXED, "component": str(record["node"]), "level": str(record["level"])}


def metadata_of(record: dict[str, Any]) -> dict[str, str]:
    """What stands beside it."""
    known = ((name, field_of(record, field)) for name, field in METADATA)
    return {name: value for name, value in known if value}


def stored_name(name: str) -> str:
    """What the store calls a label or field of Loki's."""
    return _ALIASES[name] if name in _ALIASES else flat_names().get(name, name)


def query_of(parsed: LogQuery, since_ns: int, until_ns: int, values: Values) -> Query | None:
    """The store's query; None where no line can match. `values` are those a label has."""
    terms: list[Term] = []
    for asked in parsed.conditions:
        name = stored_name(asked.name)
        if asked.name in FIXED:
            if not _holds(asked, FIXED[asked.name]):
                return None
        elif name in Labels._fields and asked.operator in ("=~", "!~"):
            unwanted = [v for v in ("", *values(name)) if not _holds(asked, v)]
            terms += [Term(name, "!=", value) for value in unwanted]
        elif name:
            terms.append(_term(name, asked))
    return Query(since_ns, until_ns, tuple(terms), (), *_on_the_line(parsed))


def _term(name: str, asked: Condition) -> Term:
    if asked.operator in ("=~", "!~"):
        raise BadRequest(f"{asked.name}: {asked.operator} is for labels; use = or !=")
    return condition(name, asked.operator, asked.value)


def _on_the_line(
    parsed: LogQuery,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """Texts that must occur, that must not, and patterns."""

    def of(sign: str) -> tuple[str, ...]:
        return tuple(text for operator, text in parsed.line if operator == sign and text)

    patterns = [(_checked(pattern), True) for pattern in of("|~")]
    patterns += [(_checked(pattern), False) for pattern in of("!~")]
    return of("|="), of("!="), tuple(patterns)


def _holds(asked: Condition, value: str) -> bool:
    if asked.operator in ("=", "!="):
        return (value == asked.value) is (asked.operator == "=")
    return is_match(_checked(asked.value), value) is (asked.operator == "=~")


def _checked(pattern: str) -> str:
    try:
        compiled(pattern)
    except BadPattern as error:
        raise BadRequest(str(error)) from None
    return pattern
