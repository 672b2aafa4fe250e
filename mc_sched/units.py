"""Durations, sizes, rates and addresses in text form.

Inside the program a duration is an integer of nanoseconds; in text it carries its unit. The parsers
raise ValueError with one sentence; the `*_argument` functions raise argparse's error with the same.
"""

import argparse
import ipaddress
import math
import re
import reprlib

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
LONGEST_NS = 2**63 - 1
"""The largest 64-bit integer: 292 years."""

_UNIT_NS = {
    "ns": 1, "us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S,
    "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": 86_400 * NS_PER_S,
}  # fmt: skip
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ]*)")


_SIZE_BYTES = {"B": 1, "kB": 1_000, "MB": 1_000_000}
_RATE_BPS = {"bps": 1, "kbps": 1_000, "Mbps": 1_000_000, "Gbps": 1_000_000_000}


def parse_size(text: str) -> int:
    """Return the bytes in '12kB', '800B' or '1.5MB'; the unit is required."""
    return _whole(text, _SIZE_BYTES, "size", "12kB")


def parse_rate(text: str) -> int:
    """Return the bits per second in '5.85Mbps', '300kbps' or '1Gbps'; the unit is required."""
    return _whole(text, _RATE_BPS, "rate", "5.85Mbps")


def _whole(text: str, units: dict[str, int], kind: str, example: str) -> int:
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is not a valid {kind}; write a number and a unit, like {example}"
        )
    number, unit = found.groups()
    if unit not in units:
        problem = f"the unknown unit {unit!r}" if unit else "no unit"
        raise ValueError(f"{text!r} has {problem}; use one of {', '.join(units)}, like {example}")
    return round(float(number) * units[unit])


def parse_duration(text: str) -> int:
    """Return the nanoseconds in '84ms', '1.5s', '250us', '2m', '1h', '7d' or '10ns'.

    The unit is required.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is not a valid duration; write a number and a unit, like 84ms or 1.5s"
        )
    number, unit = found.groups()
    if not unit:
        example = text.strip() if float(number) else "84"
        raise ValueError(f"{text!r} has no unit; write {example}ms or {example}s")
    scale_ns = _UNIT_NS.get(unit.replace("µ", "u"))
    if scale_ns is None:
        raise ValueError(f"{text!r} has the unknown unit {unit!r}; use ns, us, ms, s, m, h or d")
    duration_ns = float(number) * scale_ns
    if duration_ns > LONGEST_NS:
        raise ValueError(f"{reprlib.repr(text)} is too long; write a duration of at most 292 years")
    return round(duration_ns)


def format_ns(duration_ns: int) -> str:
    """Round a duration for display: '84.0 ms', '1.50 s', '250 us', '12 ns'."""
    size_ns = abs(duration_ns)
    if size_ns < NS_PER_US:
        return f"{duration_ns} ns"
    if size_ns < NS_PER_MS:
        return f"{duration_ns / NS_PER_US:.0f} us"
    if size_ns < NS_PER_S:
        return f"{duration_ns / NS_PER_MS:.1f} ms"
    return f"{duration_ns / NS_PER_S:.2f} s"


def duration_text(duration_ns: int) -> str:
    """Write a duration so that `parse_duration` reads exactly it: '7d', '1500ms'."""
    return _exact_text(duration_ns, _UNIT_NS) if duration_ns else "0s"


def size_text(size_bytes: int) -> str:
    """Write a size so that `parse_size` reads exactly it: '256MB', '1024B'."""
    return _exact_text(size_bytes, _SIZE_BYTES)


def _exact_text(amount: int, units: dict[str, int]) -> str:
    """Write a whole number of the largest unit that divides the amount."""
    unit = max((u for u in units if amount % units[u] == 0), key=lambda u: units[u])
    return f"{amount // units[unit]}{unit}"


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port in 'host:port' or '[ipv6]:port'."""
    host, colon, port_text = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is ambiguous; write an IPv6 address as [::1]:7070")
    if not colon or not host:
        raise ValueError(f"{text!r} is not a valid address; write host:port, like 127.0.0.1:7070")
    if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535):
        raise ValueError(f"{text!r} has no valid port; the port is a number from 0 to 65535")
    return host, int(port_text)


def is_loopback(host: str) -> bool:
    """Return True if a host name or number means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def format_address(host: str, port: int) -> str:
    """Write an address so that `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def duration_argument(text: str) -> int:
    """`parse_duration` as an argparse type."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def address_argument(text: str) -> tuple[str, int]:
    """`parse_address` as an argparse type."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive_argument(text: str) -> float:
    """Parse a finite number above 0, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return value
