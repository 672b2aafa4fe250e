"""The part of LogQL that Explore sends.

    {level="error"} |= "text" != "not this" |~ "re" | json | task_id="a-1"
    sum by (level) (count_over_time({component="edge"} |= "text" [1m]))
    vector(1)+vector(1)

Parsers (`json`, `logfmt`) and `drop` or `keep` are accepted and ignored, as the store knows the
fields of a line without them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from mc_sched.units import NS_PER_MS, NS_PER_S, NS_PER_US

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<range>\[[^\]]*\])|(?P<name>[A-Za-z_][\w.]*)"""
    r"""|(?P<number>\d+(?:\.\d+)?(?:ms|us|ns|[smhdw])?)|(?P<sign>\|=|\|~|!=|!~|=~|==|>=|<=|[=<>|{}(),+]))""",
    re.DOTALL,
)
_UNITS_NS = {"ns": 1, "us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S,
             "h": 3600 * NS_PER_S, "d": 86_400 * NS_PER_S, "w": 604_800 * NS_PER_S}  # fmt: skip
_PASSES = ("json", "logfmt", "unpack", "decolorize")
_COUNTS = ("count_over_time", "rate")


class LogQLError(ValueError):
    """The query is not LogQL, or outside the supported part; the message names the token."""


@dataclass(frozen=True)
class Condition:
    """A label or field, an operator (= != =~ !~ < > <= >=) and a value."""

    name: str
    operator: str
    value: str


@dataclass(frozen=True)
class LogQuery:
    """A selection of lines."""

    conditions: tuple[Condition, ...] = ()
    line: tuple[tuple[str, str], ...] = ()
    """Filters on the whole line: operator (|= != |~ !~) and text."""


@dataclass(frozen=True)
class MetricQuery:
    """Number of lines, by labels, in the `range_ns` before each moment."""

    lines: LogQuery
    range_ns: int
    is_rate: bool
    by: tuple[str, ...] | None
    """Labels to group by. None: one series per stream; (): one series for all streams."""


@dataclass(frozen=True)
class Constant:
    """A number that does not change over time."""

    value: float


Parsed = LogQuery | MetricQuery | Constant


def parse(text: str) -> Parsed:
    """Parse a LogQL query. Raise LogQLError if it is not in the supported part."""
    parser = _Parser(text)
    parsed = parser.expression()
    parser.end()
    return parsed


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise LogQLError(f"parse error at position {at}: {text[at : at + 20]!r}")
            self._tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            at = found.end()
        self._at = 0

    # --- tokens -----------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1] if at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if wanted and token not in wanted:
            raise LogQLError(f"parse error: expected {' or '.join(wanted)}, got {token!r}")
        self._at += 1
        return token

    def _kind(self, kind: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != kind:
            raise LogQLError(f"parse error: expected a {kind}, got {self._peek()!r}")
        return self._take()

    def end(self) -> None:
        """Raise LogQLError if tokens are left over."""
        if self._at < len(self._tokens):
            raise LogQLError(f"parse error: unexpected {self._peek()!r} after the query")

    # --- expressions ------------------------------------------------------------------------

    def expression(self) -> Parsed:
        """Parse a log query, a count of lines, or a sum of constants."""
        token = self._peek()
        if token == "{":
            return self._log_query()
        if token == "vector":
            return self._vectors()
        if token == "sum":
            return self._sum()
        if token in _COUNTS:
            return self._count(None)
        raise LogQLError(
            f"parse error: a query cannot start with {token!r}; "
            "use {...}, sum, count_over_time, rate or vector"
        )

    def _vectors(self) -> Constant:
        total = 0.0
        while True:
            self._take("vector")
            self._take("(")
            total += float(self._kind("number"))
            self._take(")")
            if self._peek() != "+":
                return Constant(total)
            self._take("+")

    def _sum(self) -> MetricQuery:
        self._take("sum")
        by = self._by()
        self._take("(")
        found = self._count(())
        self._take(")")
        by = by if by is not None else self._by()
        return MetricQuery(found.lines, found.range_ns, found.is_rate, by or ())

    def _by(self) -> tuple[str, ...] | None:
        if self._peek() != "by":
            return None
        self._take("by")
        self._take("(")
        names = []
        while self._peek() != ")":
            names.append(self._kind("name"))
            if self._peek() != ")":
                self._take(",")
        self._take(")")
        return tuple(names)

    def _count(self, by: tuple[str, ...] | None) -> MetricQuery:
        is_rate = self._take(*_COUNTS) == "rate"
        self._take("(")
        lines = self._log_query()
        range_ns = duration_ns(self._kind("range")[1:-1])
        self._take(")")
        return MetricQuery(lines, range_ns, is_rate, by)

    # --- lines ------------------------------------------------------------------------------

    def _log_query(self) -> LogQuery:
        conditions = self._selector()
        line: list[tuple[str, str]] = []
        while self._peek() in ("|", "|=", "|~", "!=", "!~"):
            sign = self._take()
            if sign == "|":
                conditions += self._stage()
            else:
                line.append((sign, self._text()))
        return LogQuery(tuple(conditions), tuple(line))

    def _selector(self) -> list[Condition]:
        self._take("{")
        found = []
        while self._peek() != "}":
            found.append(self._condition("=", "!=", "=~", "!~"))
            if self._peek() != "}":
                self._take(",")
        self._take("}")
        return found

    def _stage(self) -> list[Condition]:
        if self._peek() in _PASSES:
            self._take()
            return []
        if self._peek() in ("drop", "keep"):
            self._take()
            self._kind("name")
            while self._peek() == ",":
                self._take()
                self._kind("name")
            return []
        found = [self._condition("=", "==", "!=", "=~", "!~", "<", ">", "<=", ">=")]
        while self._peek() in ("and", ","):
            self._take()
            found.append(self._condition("=", "==", "!=", "=~", "!~", "<", ">", "<=", ">="))
        return found

    def _condition(self, *operators: str) -> Condition:
        name = self._kind("name")
        operator = self._take(*operators)
        is_text = self._at < len(self._tokens) and self._tokens[self._at][0] == "text"
        value = self._text() if is_text else self._kind("number")
        return Condition(name, "=" if operator == "==" else operator, value)

    def _text(self) -> str:
        written = self._kind("text")
        if written.startswith("`"):
            return written[1:-1]
        try:
            return str(json.loads(written))
        except ValueError:
            raise LogQLError(
                f"parse error: {written[:40]} is not a valid string; escape \\ as \\\\"
            ) from None


def duration_ns(text: str) -> int:
    """Convert "1m", "1m30s" or "15" (seconds) to nanoseconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return int(float(text) * NS_PER_S)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|us|ns|[smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise LogQLError(f"{text[:40]!r} is not a valid duration; write for example 1m or 15s")
    return sum(int(float(number) * _UNITS_NS[unit]) for number, unit in parts)
