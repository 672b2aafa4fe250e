"""Traces, as W3C Trace Context names them (https://www.w3.org/TR/trace-context/): one id by which
the lines of both nodes, and of whoever submitted a task, are found together.
"""

from __future__ import annotations

import hashlib
import re
import threading

METADATA_KEY = "traceparent"
"""The key that the standard gives, in a call's metadata."""
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRACEPARENT = re.compile(
    rf"(?P<version>(?!ff)[0-9a-f]{{2}})-(?P<trace>{_TRACE_ID.pattern})"
    r"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?"
)
"""Section 3.2.2: version, trace, parent, flags; only a version after 00 may have more."""
REMEMBERED_TASKS = 10_000
"""More than are open at any time; a task's last lines come soon after its end."""


def is_trace_id(text: str) -> bool:
    """Whether it is 16 bytes in lower-case hexadecimal digits, not all of them 0."""
    return _TRACE_ID.fullmatch(text) is not None


def trace_of(traceparent: str) -> str:
    """The trace that a `traceparent` names; "" where it is none, which the standard ignores."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return ""
    return found["trace"]


def derived_trace(*about: str) -> str:
    """A trace's id made of what it is about: the same of the same, another of anything else."""
    return hashlib.blake2b("\0".join(about).encode(errors="replace"), digest_size=16).hexdigest()


class TraceBook:
    """Which trace the tasks of a log belong to. Any thread may ask."""

    def __init__(self) -> None:
        self._traces: dict[str, str] = {}
        self._writing = threading.Lock()

    def note(self, task_id: str, trace_id: str) -> None:
        """A task begins; the oldest one is forgotten."""
        with self._writing:
            if len(self._traces) >= REMEMBERED_TASKS:
                del self._traces[next(iter(self._traces))]
            self._traces[task_id] = trace_id

    def of(self, task_id: str) -> str:
        """The task's trace; "" where none is known."""
        return self._traces.get(task_id, "")
