"""Durations and addresses in text form: examples, then any text."""

import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.units import (
    address_argument,
    duration_argument,
    duration_text,
    format_address,
    format_ns,
    parse_address,
    parse_duration,
    positive_argument,
    size_text,
)

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("84ms", 84_000_000),
        ("1.5s", 1_500_000_000),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("10ns", 10),
        ("2m", 120_000_000_000),
        (" 0.5 ms ", 500_000),
        ("0s", 0),
    ],
)
def test_durations(text: str, duration_ns: int) -> None:
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("84", "has no unit; write 84ms or 84s"),
        ("84parsecs", "unknown unit 'parsecs'"),
        ("-5ms", "not a valid duration"),
        ("", "not a valid duration"),
        ("ms", "not a valid duration"),
        ("1e3ms", "not a valid duration"),
    ],
)
def test_bad_durations_are_errors_with_an_example(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_duration(text)


def test_durations_for_display() -> None:
    spans_ns = (12, 250_000, 84_000_000, 1_500_000_000, -84_000_000)
    assert [format_ns(span_ns) for span_ns in spans_ns] == [
        "12 ns", "250 us", "84.0 ms", "1.50 s", "-84.0 ms",
    ]  # fmt: skip


@pytest.mark.parametrize("host_port", [("127.0.0.1", 7070), ("cloud.local", 0), ("::1", 65535)])
def test_an_address_can_be_read_again(host_port: tuple[str, int]) -> None:
    assert parse_address(format_address(*host_port)) == host_port


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7070", "not a valid address"),
        (":7070", "not a valid address"),
        ("host:", "no valid port"),
        ("host:http", "no valid port"),
        ("host:70700", "no valid port"),
        ("::1:7070", "IPv6"),
    ],
)
def test_bad_addresses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_address(text)


def test_argparse_gets_the_same_sentences() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no unit"):
        duration_argument("5")
    with pytest.raises(argparse.ArgumentTypeError, match="not a valid address"):
        address_argument("5")
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        positive_argument("inf")
    assert (duration_argument("5ms"), address_argument("a:1")) == (5_000_000, ("a", 1))
    assert positive_argument("2.5") == 2.5


@quick
@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)), st.sampled_from(("", " ", "\t")))
def test_whole_numbers_are_exact_in_every_unit(number, unit, space):
    assert parse_duration(f" {number}{space}{unit} ") == number * UNITS[unit]


@quick
@given(st.integers(0, 10**12))
def test_a_displayed_duration_can_be_read_again(duration_ns):
    """With its rounding: half a microsecond, or a twentieth."""
    again = parse_duration(format_ns(duration_ns))
    assert again == pytest.approx(duration_ns, rel=0.05, abs=500)


@quick
@given(st.integers(0, 10**18) | st.sampled_from((7 * 86_400 * 10**9, 1_500_000_000, 84_000_000)))
def test_the_exact_text_of_a_duration_is_read_as_that_duration(duration_ns):
    assert parse_duration(duration_text(duration_ns)) == pytest.approx(duration_ns, rel=1e-15)


def test_exact_texts_use_the_largest_unit_that_fits():
    durations_ns = (0, 1, 84_000_000, 1_500_000_000, 60_000_000_000, 7 * 86_400 * 10**9)
    assert list(map(duration_text, durations_ns)) == ["0s", "1ns", "84ms", "1500ms", "1m", "7d"]
    assert list(map(size_text, (1024, 12_000, 256_000_000))) == ["1024B", "12kB", "256MB"]


def refusal(parse, text):
    """Return the sentence of the ValueError; an empty text if the text can be read."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@quick
@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_an_error_of_one_line(text):
    sentence = refusal(parse_duration, text)
    assert "\n" not in sentence
    assert sentence or parse_duration(text) >= 0


@quick
@given(st.text(max_size=12) | st.from_regex(r"[\[\]:a-z.]{1,8}:\d{1,6}", fullmatch=True))
def test_any_text_is_an_address_or_an_error_of_one_line(text):
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
