"""What people write is what the program means; tests/test_link_units.py has the examples."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.units import format_address, format_ns, parse_address, parse_duration

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


@quick
@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)), st.sampled_from(("", " ", "\t")))
def test_whole_numbers_are_exact_in_every_unit(number, unit, space):
    assert parse_duration(f" {number}{space}{unit} ") == number * UNITS[unit]


@quick
@given(st.integers(0, 10**12))
def test_a_duration_for_people_can_be_read_again(duration_ns):
    """To the figures that it shows: half a microsecond, or a twentieth."""
    again = parse_duration(format_ns(duration_ns))
    assert again == pytest.approx(duration_ns, rel=0.05, abs=500)


def refusal(parse, text):
    """The sentence of the ValueError, or nothing if the text can be read."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@quick
@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_one_line_that_says_why_not(text):
    sentence = refusal(parse_duration, text)
    assert "\n" not in sentence
    assert sentence or parse_duration(text) >= 0


@quick
@given(st.text(max_size=12) | st.from_regex(r"[\[\]:a-z.]{1,8}:\d{1,6}", fullmatch=True))
def test_any_text_is_an_address_or_one_line_that_says_why_not(text):
    sentence = refusal(parse_address, text)
    assert "\n" not in sentence
    if not sentence:
        host, port = parse_address(text)
        assert host
        assert 0 <= port <= 65535
        assert parse_address(format_address(host, port)) == (host, port)


def test_too_many_digits_are_a_value_error():
    with pytest.raises(ValueError, match="duration"):
        parse_duration("9" * 400 + "s")
