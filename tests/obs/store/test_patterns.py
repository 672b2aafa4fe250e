"""Regular expressions: searches and matches, and that no pattern blocks an agent."""

import time

import pytest
from pydantic_core import SchemaValidator

from mc_sched.obs.store import patterns
from mc_sched.obs.store.patterns import BadPattern, compiled, has_match, is_match


def test_a_search_finds_a_part_and_a_match_needs_the_whole_text():
    assert has_match("r.ght", "all is right")
    assert has_match("(?i)RIGHT", "all is right")
    assert not has_match("^right", "all is right")
    assert is_match("a|bc", "bc")
    assert not is_match("a|bc", "abc")
    assert isinstance(compiled("a"), SchemaValidator)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(a*)*b", r"((a?){30}){30}a{30}b"])
def test_patterns_that_hang_pythons_engine_are_fast(pattern):
    """Python's `re` needs hours for each pattern."""
    started_s = time.process_time()
    assert not has_match(pattern, "a" * 5_000 + "c")
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "unclosed group"),
        ("[", "unclosed character class"),
        ("(?=x)", "look-ahead"),
        (r"\1", "backreferences"),
        ("(a{1000}){1000}", "exceeds size limit"),
        ("x" * 1001, "longer than 1000 characters"),
    ],
)
def test_an_invalid_pattern_is_an_error(pattern, message):
    with pytest.raises(BadPattern, match=message):
        compiled(pattern)


def test_a_line_is_searched_to_a_limit(monkeypatch):
    monkeypatch.setattr(patterns, "SEARCHED_CHARACTERS", 10)
    assert has_match("x", "123456789x")
    assert not has_match("x", "1234567890x")
