"""The trace that a task belongs to: the one that its submitter names, else one of its own."""

from __future__ import annotations

import os
import time
from typing import Any

from mc_proto.v1 import edge_pb2

from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.log.trace import METADATA_KEY, derived_trace, trace_of

LONGEST_SHOWN = 100
"""Characters of an invalid value that the log shows."""


def traceparent_of(context: Any) -> str:
    """Return the `traceparent` in a call's metadata.

    Several values are joined, which makes them invalid, as the standard requires.
    """
    values = [value for key, value in context.invocation_metadata() or () if key == METADATA_KEY]
    return ",".join(map(str, values))


class TaskTraces:
    """Finds the trace of each task that comes to this agent."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._run = os.urandom(16).hex()
        """Keeps traces apart: task ids repeat after a restart and on other devices."""

    def trace_of(self, request: edge_pb2.Task, task_id: str, of_call: str) -> str:
        """Return the trace that the task or its call names; an invalid one is noted in the log."""
        given = request.traceparent or of_call
        trace_id = trace_of(given)
        if given and not trace_id:
            note = {"task_id": task_id, "ignored_traceparent": given[:LONGEST_SHOWN]}
            self._log.write(time.monotonic_ns(), "note", note, "debug")
        return trace_id or derived_trace(self._run, request.stream_id, task_id)
