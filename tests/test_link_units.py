import argparse

import pytest

from mc_sched.units import (
    address_argument,
    duration_argument,
    format_address,
    format_ns,
    parse_address,
    parse_duration,
    positive_argument,
)


@pytest.mark.parametrize(
    ("text", "reply_in_ns"),
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
def test_durations(text: str, reply_in_ns: int) -> None:
    assert parse_duration(text) == reply_in_ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("84", "has no unit; write 84ms or 84s"),
        ("84parsecs", "unknown unit 'parsecs'"),
        ("-5ms", "no duration"),
        ("", "no duration"),
        ("ms", "no duration"),
        ("1e3ms", "no duration"),
    ],
)
def test_bad_durations_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_duration(text)


def test_durations_for_people() -> None:
    spans_ns = (12, 250_000, 84_000_000, 1_500_000_000, -84_000_000)
    assert [format_ns(span_ns) for span_ns in spans_ns] == [
        "12 ns", "250 us", "84.0 ms", "1.50 s", "-84.0 ms",
    ]  # fmt: skip


@pytest.mark.parametrize("host_port", [("127.0.0.1", 7070), ("cloud.local", 0), ("::1", 65535)])
def test_addresses_there_and_back(host_port: tuple[str, int]) -> None:
    assert parse_address(format_address(*host_port)) == host_port


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7070", "no address"),
        (":7070", "no address"),
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
    with pytest.raises(argparse.ArgumentTypeError, match="no address"):
        address_argument("5")
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        positive_argument("inf")
    assert (duration_argument("5ms"), address_argument("a:1")) == (5_000_000, ("a", 1))
    assert positive_argument("2.5") == 2.5
