"""Regular expressions that cannot hang: searched in linear time, whatever pattern and text are.

Python's own engine tries every way to match, holds the interpreter meanwhile and has no time limit;
a pattern like (a+)+$ would stop an agent. The one here is Rust's, which comes with pydantic and
reads the syntax of RE2, as Loki does.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST_PATTERN = 1000
SEARCHED_CHARACTERS = 100_000
"""Of a line: a pattern of many counted parts takes a microsecond for each, and tasks wait."""


class BadPattern(ValueError):
    """The sentence says why it is no regular expression."""


@lru_cache(64)
def compiled(pattern: str) -> SchemaValidator:
    """What tells with `isinstance_python` whether a text holds a match; BadPattern if it cannot."""
    if len(pattern) > LONGEST_PATTERN:
        raise BadPattern(f"a pattern has at most {LONGEST_PATTERN} characters")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        raise BadPattern(f"{pattern[:40]!r} is no regular expression: {reason}") from None


def has_match(pattern: str, text: str) -> bool:
    """Whether the beginning of the text holds a match somewhere."""
    return compiled(pattern).isinstance_python(text[:SEARCHED_CHARACTERS])


def is_match(pattern: str, text: str) -> bool:
    """Whether the whole text is one."""
    return has_match(rf"^(?:{pattern})$", text)
