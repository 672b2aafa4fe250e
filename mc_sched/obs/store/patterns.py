"""Regular expressions that cannot hang: any pattern is searched in linear time.

Python's engine backtracks, holds the interpreter lock meanwhile and has no time limit, so a pattern
like (a+)+$ could block an agent. This module uses Rust's engine, which comes with pydantic and
takes the syntax of RE2, as Loki does.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST_PATTERN = 1000
SEARCHED_CHARACTERS = 100_000
"""Only the beginning of a line is searched: a pattern with many counted repetitions takes a
microsecond per character, and tasks wait meanwhile.
"""


class BadPattern(ValueError):
    """The text is not a valid regular expression; the message says why."""


@lru_cache(64)
def compiled(pattern: str) -> SchemaValidator:
    """Compile a pattern; `isinstance_python` of the result searches a text. Raise BadPattern."""
    if len(pattern) > LONGEST_PATTERN:
        raise BadPattern(f"the pattern is longer than {LONGEST_PATTERN} characters")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        raise BadPattern(f"{pattern[:40]!r} is not a valid regular expression: {reason}") from None


def has_match(pattern: str, text: str) -> bool:
    """Return True if the beginning of the text contains a match."""
    return compiled(pattern).isinstance_python(text[:SEARCHED_CHARACTERS])


def is_match(pattern: str, text: str) -> bool:
    """Return True if the whole text matches."""
    return has_match(rf"^(?:{pattern})$", text)
