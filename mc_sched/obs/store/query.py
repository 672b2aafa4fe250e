"""A query to a store: a time range, conditions on fields, and search words.

site=cloud outcome=late          both must hold; a label, `task`, `trace_id`, any field of `data`
level!=debug latency_ns>80000000
reason="no result at the deadline"
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from mc_sched.errors import UserError
from mc_sched.obs.store.line import BESIDE_DATA, LEVELS, Labels

LATEST_NS = 2**63 - 1
OPERATORS = ("!=", ">=", "<=", "=", ">", "<")
LATENCY = "outcome.latency_ns"
ORDERED = (">", "<", ">=", "<=")
FIELD = re.compile(r"\w+(?:\.\w+)*")
NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
MOST_TERMS = 200
LONGEST_TEXT = 8_000
"""Characters of a condition or a search word; SQLite's limit is 50,000 bytes with escapes."""
_TERM = re.compile(rf"({FIELD.pattern})(!=|>=|<=|=|>|<)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Term:
    """A condition on one field."""

    field: str
    """A label, `task`, `trace_id`, or the path of a field below `data`, like `outcome.reason`."""
    operator: str
    value: str

    @property
    def is_label(self) -> bool:
        """True if all lines of a stream meet the condition or none do."""
        return self.field in Labels._fields and self.operator in ("=", "!=")

    @property
    def needs_field(self) -> bool:
        """True if only lines that have the field below `data` can meet the condition."""
        known = self.field in Labels._fields or self.field in BESIDE_DATA
        return not known and self.operator != "!="

    @property
    def is_task(self) -> bool:
        """True if it selects one task, or the few tasks of one trace; both have an index."""
        return self.field in BESIDE_DATA and self.operator == "="

    @property
    def is_latency(self) -> bool:
        """True if it bounds the latency of outcomes, which has an index."""
        return self.field == LATENCY and self.operator in ORDERED


@dataclass(frozen=True)
class Query:
    """Lines from `since_ns` up to but not including `until_ns`, in nanoseconds since 1970.

    Raise UserError if the query has too many conditions or too long texts.
    """

    since_ns: int = 0
    until_ns: int = LATEST_NS
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    """Words that must occur in the line; one that ends in * matches as a prefix."""
    phrases: tuple[str, ...] = ()
    """Texts that must occur in the line's JSON text, case-sensitively."""
    without: tuple[str, ...] = ()
    """Texts that must not occur in the line's JSON text."""
    patterns: tuple[tuple[str, bool], ...] = ()
    """Regular expressions; True if the line must contain a match, False if it must not."""

    def __post_init__(self) -> None:
        text_filters = (*self.words, *self.phrases, *self.without, *self.patterns)
        if len(self.terms) > MOST_TERMS or len(text_filters) > MOST_TERMS:
            raise UserError(
                f"a query takes at most {MOST_TERMS} conditions and {MOST_TERMS} search texts", 2
            )
        texts = (*self.words, *self.phrases, *self.without, *(term.value for term in self.terms))
        if any(len(text) > LONGEST_TEXT for text in texts):
            raise UserError(
                f"a condition or search text takes at most {LONGEST_TEXT:,} characters", 2
            )


def parse_where(text: str) -> tuple[Term, ...]:
    """Parse conditions like 'site=cloud outcome=late'. Raise UserError for an invalid one."""
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--where {text!r}: {str(error).lower()}", exit_code=2) from None
    return tuple(_term(part) for part in parts)


def at_least(level: str) -> tuple[Term, ...]:
    """Return the conditions for lines of this level or a more severe one."""
    return tuple(Term("level", "!=", lower) for lower in LEVELS[LEVELS.index(level) + 1 :])


def of_task(task_id: str) -> Query:
    """Return a query for every line about one task."""
    return Query(terms=(Term("task", "=", task_id),))


def of_trace(trace_id: str) -> Query:
    """Return a query for every line about the tasks of one trace."""
    return Query(terms=(Term("trace_id", "=", trace_id),))


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        known = " ".join(OPERATORS)
        raise UserError(
            f"{text!r} is not a condition; write field=value, like site=cloud (operators: {known})",
            2,
        )
    return condition(*found.groups())


def condition(field: str, operator: str, value: str) -> Term:
    """Build a condition. Raise UserError if no line could meet it."""
    if not FIELD.fullmatch(field):
        raise UserError(f"{field[:40]!r} is not a valid field name", 2)
    if operator in ORDERED and (field in BESIDE_DATA or not NUMBER.fullmatch(value)):
        raise UserError(
            f"{field} {operator} {value[:40]!r}: only numbers can be compared with {operator}", 2
        )
    return Term(field, operator, value)
