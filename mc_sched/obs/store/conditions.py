"""Translation of a query to SQL. The query's values are always parameters, never SQL text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import orjson

from mc_sched.obs.store.query import NUMBER, ORDERED, Query, Term

_WORD = re.compile(r"[^\W_]+\*?")
"""One token of the full-text index, which splits words at underscores as well."""
HASHES = 10_007
_HASH = f"({{}} / 1000 % 1000003) * 7919 % {HASHES}"
"""Hash of a line's time, in microseconds as clocks have them. The moduli are primes, so that
lines at regular intervals are distributed evenly as well.
"""
_OF_TRACE = "lines.task IN (SELECT task FROM lines WHERE trace = ?)"
_BESIDE_DATA = {
    "task": {"=": "lines.task = ?", "!=": "lines.task IS NOT ?"},
    "trace_id": {"=": _OF_TRACE, "!=": f"({_OF_TRACE}) IS NOT 1"},
}
"""Conditions, by operator, on fields that are columns of their own."""
_LARGEST = 9e999
"""Greater than every number and, in SQLite's order of values, less than every text."""


@dataclass
class Conditions:
    """The conditions of a WHERE clause, with their parameters in order."""

    sql: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, sql: str, *values: object) -> None:
        """Add a condition with its parameters."""
        self.sql.append(sql)
        self.values.extend(values)

    @property
    def where(self) -> str:
        """All conditions, joined by AND."""
        return " AND ".join(self.sql)


def conditions(
    query: Query, streams: frozenset[int] | None, hashes: int | None = None
) -> Conditions:
    """Return all conditions of the query on the table `lines`.

    `streams`: the streams that the query's labels allow; None for all. `hashes`: only lines whose
    time hash (0 to HASHES - 1) is below it; None for all lines.
    """
    found = Conditions()
    found.add("lines.id >= ? AND lines.id < ?", query.since_ns, query.until_ns)
    if streams is not None:
        found.add(f"lines.stream IN ({', '.join(map(str, sorted(streams)))})")
    for term in query.terms:
        if not term.is_label:
            _add_term(found, term)
    if searched(query):
        sql, values = word_search(query, hashes)
        found.add(f"lines.id IN (SELECT rowid {sql})", *values)
    elif hashes is not None:
        found.add(_HASH.format("lines.id") + " < ?", hashes)
    _add_text(found, query)
    return found


def word_search(query: Query, hashes: int | None = None) -> tuple[str, list[object]]:
    """Return FROM and WHERE for the lines in the query's range that the full-text index finds."""
    found = Conditions()
    found.add("words MATCH ?", searched(query))
    found.add("rowid >= ? AND rowid < ?", query.since_ns, query.until_ns)
    if hashes is not None:
        found.add(_HASH.format("rowid") + " < ?", hashes)
    return f"FROM words WHERE {found.where}", found.values


def _add_term(found: Conditions, term: Term) -> None:
    if term.field in _BESIDE_DATA:
        found.add(_BESIDE_DATA[term.field][term.operator], term.value)
        return
    if term.is_latency:
        found.add(f"lines.latency_ns {term.operator} CAST(? AS REAL)", term.value)
        return
    path = "$.data" + "".join(f'."{part}"' for part in term.field.split("."))
    if term.operator in ORDERED:
        # SQLite orders texts after numbers; a comparison must not match them
        sql = f"json_extract(lines.body, ?) {term.operator} CAST(? AS REAL)"
        found.add(sql, path, term.value)
        if ">" in term.operator:
            found.add("json_extract(lines.body, ?) < ?", path, _LARGEST)
    else:
        _add_equal(found, term, path)


def _add_equal(found: Conditions, term: Term, path: str) -> None:
    """Compare as text, so that 1 equals "1", and numbers also by value, so that 7 equals 7.0."""
    equal, joined = ("=", " OR ") if term.operator == "=" else ("IS NOT", " AND ")
    field = "json_extract(lines.body, ?)"
    sql = [f"CAST({field} AS TEXT) {equal} CAST(json_extract(?, '$') AS TEXT)"]
    values: list[object] = [path, _as_json(term.value)]
    if NUMBER.fullmatch(term.value):
        sql.append(f"{field} {equal} CAST(? AS REAL)")
        values += [path, term.value]
    found.add(f"({joined.join(sql)})", *values)


def _as_json(value: str) -> str:
    """Encode the text as JSON, so that SQLite reads it in the same way as the line."""
    return value if value in ("true", "false") else orjson.dumps(value).decode()


def _add_text(found: Conditions, query: Query) -> None:
    for word in query.words:
        if not _WORD.fullmatch(word):
            encoded = _escaped(_as_json(word.rstrip("*")).strip('"'))
            found.add(r"lines.body LIKE ? ESCAPE '\'", f"%{encoded}%")
    for phrase in query.phrases:
        found.add("instr(lines.body, ?) > 0", phrase)
    for phrase in query.without:
        found.add("instr(lines.body, ?) = 0", phrase)
    for pattern, wanted in query.patterns:
        found.add("lines.body REGEXP ? = ?", pattern, wanted)


def searched(query: Query) -> str:
    """Return an FTS5 query for all search words; "" if there are none to look up."""
    words = [part for word in query.words for part in _WORD.findall(word)]
    return " ".join(f'"{word.rstrip("*")}"' + ("*" if word.endswith("*") else "") for word in words)


def _escaped(text: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", text)
