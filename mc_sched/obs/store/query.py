"""What people ask of a store: a time range, conditions on fields, words.

site=cloud outcome=late          both must hold; a label, `task`, or any field of `data`
level!=debug latency_ns>80000000
reason="no result at the deadline"
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from mc_sched.errors import UserError
from mc_sched.obs.store.line import LEVELS, Labels

LATEST_NS = 2**63 - 1
OPERATORS = ("!=", ">=", "<=", "=", ">", "<")
FIELD = re.compile(r"[\w.]+")
_TERM = re.compile(rf"({FIELD.pattern})(!=|>=|<=|=|>|<)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Term:
    """A condition on one field."""

    field: str
    """A label, `task`, or the path of a field below `data`, such as `outcome.reason`."""
    operator: str
    value: str

    @property
    def is_label(self) -> bool:
        """Whether whole streams meet it or do not."""
        return self.field in Labels._fields and self.operator in ("=", "!=")

    @property
    def needs_field(self) -> bool:
        """Whether only lines can meet it that have its field below `data`."""
        known = self.field in Labels._fields or self.field == "task"
        return not known and self.operator != "!="

    @property
    def is_task(self) -> bool:
        """Whether it names one task, for which there is an index."""
        return self.field == "task" and self.operator == "="


@dataclass(frozen=True)
class Query:
    """Lines from `since_ns` up to but not including `until_ns`, in nanoseconds since 1970."""

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

    def narrowed(self, *terms: Term) -> Query:
        """The same with further conditions."""
        return replace(self, terms=(*self.terms, *terms))


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


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        known = " ".join(OPERATORS)
        raise UserError(
            f"{text!r} is no condition; write field=value, like site=cloud (also {known})", 2
        )
    return Term(*found.groups())
