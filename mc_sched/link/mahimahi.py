"""Mahimahi packet-delivery traces.

Each line is one delivery opportunity of 1500 bytes, as an integer: milliseconds since the start.
A repeated line means several opportunities in that millisecond. Blank lines and lines that begin
with '#' are skipped. The trace repeats with a period of its last time.
"""

from dataclasses import dataclass
from pathlib import Path

from mc_sched.errors import UserError
from mc_sched.link.model import TraceRate

_NS_PER_MS = 1_000_000


class TraceError(ValueError):
    """A trace is invalid; the sentence names the trace and the line."""


@dataclass(frozen=True)
class Trace:
    """A parsed trace."""

    name: str
    rate: TraceRate


def parse_trace(text: str, name: str) -> Trace:
    """Parse the text of a trace; errors contain its `name`. Raises TraceError."""
    times_ms: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            previous_ms = times_ms[-1] if times_ms else 0
            times_ms.append(_parse_line(entry, previous_ms, f"{name}, line {number}"))
    if not times_ms:
        raise TraceError(f"{name}: the trace is empty; it needs one line per delivery opportunity")
    if times_ms[-1] == 0:
        raise TraceError(f"{name}: every time is 0; the last line must be above 0 milliseconds")
    return Trace(name, TraceRate(tuple(time_ms * _NS_PER_MS for time_ms in times_ms)))


def read_trace(path: str) -> TraceRate:
    """Read the rate of a trace's file. Raises UserError if it is not a valid trace."""
    try:
        return parse_trace(Path(path).read_text(encoding="utf-8"), path).rate
    except TraceError as error:
        raise UserError(str(error)) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file; name a Mahimahi trace") from None
    except OSError as error:
        raise UserError(f"cannot read the trace {path}: {error.strerror}") from None


def _parse_line(entry: str, previous_ms: int, where: str) -> int:
    try:
        time_ms = int(entry)
    except ValueError:
        raise TraceError(
            f"{where}: {entry[:40]!r} is not an integer of milliseconds; correct or remove the line"
        ) from None
    if time_ms < 0:
        raise TraceError(f"{where}: {time_ms} is negative; times count from 0 milliseconds")
    if time_ms < previous_ms:
        raise TraceError(
            f"{where}: time decreases from {previous_ms} to {time_ms}; sort the lines by time"
        )
    return time_ms
