"""What people ask of a store: a time range, conditions on fields, words.

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
"""Characters of a condition or a search; SQLite gives up beyond 50,000 bytes, escapes and all."""
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
        """Whether whole streams meet it or do not."""
        return self.field in Labels._fields and self.operator in ("=", "!=")

    @property
    def needs_field(self) -> bool:
        """Whether only lines can meet it that have its field below `data`."""
        known = self.field in Labels._fields or self.field in BESIDE_DATA
        return not known and self.operator != "!="

    @property
    def is_task(self) -> bool:
        """Whether it names one task, or the few of one trace, for which there is an index."""
        return self.field in BESIDE_DATA and self.operator == "="

    @property
    def is_latency(self) -> bool:
        """Whether it bounds how long tasks took, for which there is an index, too."""
        return self.field == LATENCY and self.operator in ORDERED


@dataclass(frozen=True)
class Query:
    """Lines from `since_ns` up to but not including `until_ns`, in nanoseconds since 1970.

    Raises UserError for one that is longer than the store answers.
    """

    since_ns: int = 0
    until_ns: int = LATEST_NS
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()
    """Each must occur in the line, whole or as the beginning of a word where it ends in *."""
    phrases: tuple[str, ...] = ()
    """Each must occur in the line as it is written there, upper and lower case told apart."""
    without: tuple[str, ...] = ()
    """None of these may."""
    patterns: tuple[tuple[str, bool], ...] = ()
    """Regular expressions, and whether the line must hold a match or must not."""

    def __post_init__(self) -> None:
        on_the_line = (*self.words, *self.phrases, *self.without, *self.patterns)
        if len(self.terms) > MOST_TERMS or len(on_the_line) > MOST_TERMS:
            raise UserError(f"at most {MOST_TERMS} conditions and as many words, please", 2)
        texts = (*self.words, *self.phrases, *self.without, *(term.value for term in self.terms))
        if any(len(text) > LONGEST_TEXT for text in texts):
            raise UserError(f"at most {LONGEST_TEXT:,} characters to search for, please", 2)


def parse_where(text: str) -> tuple[Term, ...]:
    """The conditions in 'site=cloud outcome=late'; UserError says what is wrong with one."""
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--where {text!r}: {str(error).lower()}", exit_code=2) from None
    return tuple(_term(part) for part in parts)


def at_least(level: str) -> tuple[Term, ...]:
    """Lines of this level or a graver one."""
    return tuple(Term("level", "!=", lesser) for lesser in LEVELS[LEVELS.index(level) + 1 :])


def of_task(task_id: str) -> Query:
    """Every line about one task."""
    return Query(terms=(Term("task", "=", task_id),))


def of_trace(trace_id: str) -> Query:
    """Every line about the tasks of one trace."""
    return Query(terms=(Term("trace_id", "=", trace_id),))


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        known = " ".join(OPERATORS)
        raise UserError(
            f"{text!r} is no condition; write field=value, like site=cloud (also {known})", 2
        )
    return condition(*found.groups())


def condition(field: str, operator: str, value: str) -> Term:
    """A condition that a line can meet; UserError says why this is none."""
    if not FIELD.fullmatch(field):
        raise UserError(f"{field[:40]!r} is no name of a field", 2)
    if operator in ORDERED and (field in BESIDE_DATA or not NUMBER.fullmatch(value)):
        raise UserError(f"{field} {operator} {value[:40]!r}: only numbers can be compared so", 2)
    return Term(field, operator, value)
