"""A query as SQL. Every value of a person travels as a parameter, never as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import orjson

from mc_sched.obs.store.query import Query, Term

_WORD = re.compile(r"\w+\*?", re.UNICODE)
_COMPARE = {"=": "=", "!=": "IS NOT", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


@dataclass
class Conditions:
    """What stands behind WHERE, with its parameters, in order."""

    sql: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, sql: str, *values: object) -> None:
        """One more condition."""
        self.sql.append(sql)
        self.values.extend(values)

    @property
    def where(self) -> str:
        """All of them."""
        return " AND ".join(self.sql)


def conditions(query: Query, streams: frozenset[int] | None) -> Conditions:
    """All conditions on `lines`; `streams` are those that the labels allow, None for all."""
    found = Conditions()
    found.add("lines.id >= ? AND lines.id < ?", query.since_ns, query.until_ns)
    if streams is not None:
        found.add(f"lines.stream IN ({', '.join(map(str, sorted(streams)))})")
    for term in query.terms:
        if not term.is_label:
            _add_term(found, term)
    _add_text(found, query)
    return found


def _add_term(found: Conditions, term: Term) -> None:
    if term.is_task:
        found.add("lines.task = ?", term.value)
        return
    if term.field == "task":
        found.add("lines.task IS NOT ?", term.value)
        return
    path = "$.data" + "".join(f'."{part}"' for part in term.field.split("."))
    field, compare = "json_extract(lines.body, ?)", _COMPARE[term.operator]
    if term.operator in ("=", "!="):  # as it is shown: 1 and "1" are the same to a person
        shown = f"CAST({field} AS TEXT) {compare} CAST(json_extract(?, '$') AS TEXT)"
        found.add(shown, path, _as_json(term.value))
    else:
        found.add(f"{field} {compare} CAST(? AS REAL)", path, term.value)


def _as_json(value: str) -> str:
    """The text as it stands in a line, so that SQLite reads both in the same way."""
    return value if value in ("true", "false") else orjson.dumps(value).decode()


def _add_text(found: Conditions, query: Query) -> None:
    match = _match(query)
    if match:
        found.add("lines.id IN (SELECT rowid FROM words WHERE words MATCH ?)", match)
    for word in query.words:
        if not _WORD.fullmatch(word):
            written = _escaped(_as_json(word.rstrip("*")).strip('"'))
            found.add(r"lines.body LIKE ? ESCAPE '\'", f"%{written}%")
    for phrase in query.phrases:
        found.add("instr(lines.body, ?) > 0", phrase)
    for phrase in query.without:
        found.add("instr(lines.body, ?) = 0", phrase)
    for pattern, wanted in query.patterns:
        found.add("lines.body REGEXP ? = ?", pattern, wanted)


def _match(query: Query) -> str:
    """For FTS5: every word of every search term, quoted."""
    words = [part for word in query.words for part in _WORD.findall(word)]
    return " ".join(f'"{word.rstrip("*")}"' + ("*" if word.endswith("*") else "") for word in words)


def _escaped(text: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", text)
