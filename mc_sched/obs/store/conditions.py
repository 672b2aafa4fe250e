"""A query as SQL. Every value of a person travels as a parameter, never as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import orjson

from mc_sched.obs.store.query import NUMBER, ORDERED, Query, Term

_WORD = re.compile(r"[^\W_]+\*?")
"""What the index of words takes as one; an underscore parts two of them there."""
HASHES = 10_007
_HASH = f"({{}} / 1000 % 1000003) * 7919 % {HASHES}"
"""Primes, so that times at even distances spread as well. Clocks tell microseconds."""
_OF_TRACE = "lines.task IN (SELECT task FROM lines WHERE trace = ?)"
_BESIDE_DATA = {
    "task": {"=": "lines.task = ?", "!=": "lines.task IS NOT ?"},
    "trace_id": {"=": _OF_TRACE, "!=": f"({_OF_TRACE}) IS NOT 1"},
}
"""By operator; they are no numbers."""
_LARGEST = 9e999
"""Above every number and, as SQLite orders values, below every text."""


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


def conditions(
    query: Query, streams: frozenset[int] | None, hashes: int | None = None
) -> Conditions:
    """All conditions on `lines`; `streams` are those that the labels allow, None for all.

    With `hashes`, only lines whose hash of their time, of `HASHES`, lies below it.
    """
    found = Conditions()
    found.add("lines.id >= ? AND lines.id < ?", query.since_ns, query.until_ns)
    if streams is not None:
        found.add(f"lines.stream IN ({', '.join(map(str, sorted(streams)))})")
    for term in query.terms:
        if not term.is_label:
            _add_term(found, term)
    if searched(query):
        sql, values = with_words(query, hashes)
        found.add(f"lines.id IN (SELECT rowid {sql})", *values)
    elif hashes is not None:
        found.add(_HASH.format("lines.id") + " < ?", hashes)
    _add_text(found, query)
    return found


def with_words(query: Query, hashes: int | None = None) -> tuple[str, list[object]]:
    """FROM and WHERE of the lines that the index of words finds, in the query's range alone."""
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
        # a text is above every number for SQLite, and no number for people
        sql = f"json_extract(lines.body, ?) {term.operator} CAST(? AS REAL)"
        found.add(sql, path, term.value)
        if ">" in term.operator:
            found.add("json_extract(lines.body, ?) < ?", path, _LARGEST)
    else:
        _add_equal(found, term, path)


def _add_equal(found: Conditions, term: Term, path: str) -> None:
    """As it is shown, 1 like "1"; and for numbers by value, since 7.0 is shown as 7."""
    equal, joined = ("=", " OR ") if term.operator == "=" else ("IS NOT", " AND ")
    field = "json_extract(lines.body, ?)"
    sql = [f"CAST({field} AS TEXT) {equal} CAST(json_extract(?, '$') AS TEXT)"]
    values: list[object] = [path, _as_json(term.value)]
    if NUMBER.fullmatch(term.value):
        sql.append(f"{field} {equal} CAST(? AS REAL)")
        values += [path, term.value]
    found.add(f"({joined.join(sql)})", *values)


def _as_json(value: str) -> str:
    """The text as it stands in a line, so that SQLite reads both in the same way."""
    return value if value in ("true", "false") else orjson.dumps(value).decode()


def _add_text(found: Conditions, query: Query) -> None:
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


def searched(query: Query) -> str:
    """For FTS5: every word of every search term, quoted; "" where it has nothing to look up."""
    words = [part for word in query.words for part in _WORD.findall(word)]
    return " ".join(f'"{word.rstrip("*")}"' + ("*" if word.endswith("*") else "") for word in words)


def _escaped(text: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", text)
