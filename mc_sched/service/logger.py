"""What a daemon says on stderr: its name and a sentence per line, for people and the journal."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from mc_sched.service import journal

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
"""syslog's numbers, as journald reads them in front of a line (sd-daemon(3))."""


class _Formatter(logging.Formatter):
    """`name: sentence`, with a priority where the journal reads it."""

    def __init__(self, for_journal: bool) -> None:
        super().__init__("%(name)s: %(message)s")
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = super().format(record)
        return f"<{PRIORITIES.get(record.levelno, 3)}>{line}" if self._for_journal else line


class _Handler(logging.StreamHandler[Any]):
    """Writes to stderr; what is about a task goes to the journal with fields, if one reads us."""

    def emit(self, record: logging.LogRecord) -> None:
        """One sentence."""
        fields: dict[str, str] | None = getattr(record, "fields", None)
        if fields is not None:
            message = f"{record.name}: {record.getMessage()}"
            fields = {"SYSLOG_IDENTIFIER": record.name, **fields}
            if journal.send(message, PRIORITIES.get(record.levelno, 3), fields):
                return
        super().emit(record)


def about_task(task_id: str, trace_id: str) -> dict[str, dict[str, str]]:
    """For `extra` of a logger's call: fields by which the journal finds the task's sentences."""
    fields = {"TASK_ID": task_id, "TRACE_ID": trace_id}
    return {"fields": {name: value for name, value in fields.items() if value}}


def process_log(name: str, level: str = "info") -> logging.Logger:
    """The logger of this daemon, writing from `level` on."""
    log = logging.getLogger(name)
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter("JOURNAL_STREAM" in os.environ))
    log.handlers[:] = [handler]
    log.propagate = False
    set_level(log, level)
    return log


def set_level(log: logging.Logger, level: str) -> None:
    """Write from debug, info, warning or error on."""
    log.setLevel(level.upper())
