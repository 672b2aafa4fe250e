"""Durations, sizes, rates and addresses as people write them.

Inside the program a duration is an integer of nanoseconds; on a command line it carries its unit.
The parsers raise ValueError with one sentence; the `*_argument` functions say the same to argparse.
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
"""What 64 bits hold: 292 years."""

_UNIT_NS = {
    "ns": 1, "us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S,
    "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": 86_400 * NS_PER_S,
}  # fmt: skip
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ]*)")


_SIZE_BYTES = {"B": 1, "kB": 1_000, "MB": 1_000_000}
_RATE_BPS = {"bps": 1, "kbps": 1_000, "Mbps": 1_000_000, "Gbps": 1_000_000_000}


def parse_size(text: str) -> int:
    """Bytes in '12kB', '800B' or '1.5MB'; the unit is required."""
    return _whole(text, _SIZE_BYTES, "size", "12kB")


def parse_rate(text: str) -> int:
    """Bits per second in '5.85Mbps', '300kbps' or '1Gbps'; the unit is required."""
    return _whole(text, _RATE_BPS, "rate", "5.85Mbps")


def _whole(text: str, units: dict[str, int], kind: str, example: str) -> int:
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no {kind}; write a number and a unit, like {example}")
    number, unit = found.groups()
    if unit not in units:
        said = f"the unknown unit {unit!r}" if unit else "no unit"
        raise ValueError(f"{text!r} has {said}; use one of {', '.join(units)}, like {example}")
    return round(float(number) * units[unit])


def parse_duration(text: str) -> int:
    """Nanoseconds in '84ms', '1.5s', '250us', '2m', '1h', '7d' or '10ns'; the unit is required."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write a number and a unit, like 84ms or 1.5s")
    number, unit = found.groups()
    if not unit:
        example = text.strip() if float(number) else "84"
        raise ValueError(f"{text!r} has no unit; write {example}ms or {example}s")
    scale_ns = _UNIT_NS.get(unit.replace("µ", "u"))
    if scale_ns is None:
        raise ValueError(f"{text!r} has the unknown unit {unit!r}; use ns, us, ms, s, m, h or d")
    duration_ns = float(number) * scale_ns
    if duration_ns > LONGEST_NS:
        raise ValueError(f"{reprlib.repr(text)} is too long a duration; write a shorter one")
    return round(duration_ns)


def format_ns(duration_ns: int) -> str:
    """A duration for people: '84.0 ms', '1.50 s', '250 us', '12 ns'."""
    size_ns = abs(duration_ns)
    if size_ns < NS_PER_US:
        return f"{duration_ns} ns"
    if size_ns < NS_PER_MS:
        return f"{duration_ns / NS_PER_US:.0f} us"
    if size_ns < NS_PER_S:
        return f"{duration_ns / NS_PER_MS:.1f} ms"
    return f"{duration_ns / NS_PER_S:.2f} s"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port in 'host:port' or '[ipv6]:port'."""
    host, colon, port_text = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is ambiguous; write an IPv6 address as [::1]:7070")
    if not colon or not host:
        raise ValueError(f"{text!r} is no address; write host:port, like 127.0.0.1:7070")
    if not (port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535):
        raise ValueError(f"{text!r} has no valid port; the port is a number from 0 to 65535")
    return host, int(port_text)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or number, can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def format_address(host: str, port: int) -> str:
    """The inverse of `parse_address`."""
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
    """A finite number above 0 as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return value
