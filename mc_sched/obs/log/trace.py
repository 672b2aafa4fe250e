"""Traces as in W3C Trace Context (https://www.w3.org/TR/trace-context/).

A trace id joins the log lines of both nodes and of the client that submitted the task.
"""

from __future__ import annotations

import hashlib
import re
import threading

METADATA_KEY = "traceparent"
"""Key of a call's metadata, named by the standard."""
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRACEPARENT = re.compile(
    rf"(?P<version>(?!ff)[0-9a-f]{{2}})-(?P<trace>{_TRACE_ID.pattern})"
    r"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?"
)
"""Section 3.2.2: version, trace, parent, flags; only versions after 00 may append fields."""
REMEMBERED_TASKS = 10_000
"""Tasks whose trace is kept: more than are open, as a task's last lines follow its end."""


def is_trace_id(text: str) -> bool:
    """Return True if the text is 16 bytes in lower-case hexadecimal digits, not all 0."""
    return _TRACE_ID.fullmatch(text) is not None


def trace_of(traceparent: str) -> str:
    """Return the trace id in a `traceparent`; "" if it is not valid (the standard ignores it)."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return ""
    return found["trace"]


def derived_trace(*about: str) -> str:
    """Derive a trace id from strings that identify a task: equal strings give an equal id."""
    return hashlib.blake2b("\0".join(about).encode(errors="replace"), digest_size=16).hexdigest()


class TaskTraces:
    """Trace ids of the tasks in a log. Thread-safe."""

    def __init__(self) -> None:
        self._traces: dict[str, str] = {}
        self._writing = threading.Lock()

    def note(self, task_id: str, trace_id: str) -> None:
        """Store the trace of a new task; forget the oldest task if there are too many."""
        with self._writing:
            if len(self._traces) >= REMEMBERED_TASKS:
                del self._traces[next(iter(self._traces))]
            self._traces[task_id] = trace_id

    def of(self, task_id: str) -> str:
        """Return the task's trace id; "" if none is known."""
        return self._traces.get(task_id, "")
