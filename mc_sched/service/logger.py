"""A daemon's logger: lines of name and message on stderr, for a terminal and for the journal."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from mc_sched.service import journal

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
"""Numbers of syslog, which journald reads at the start of a line (sd-daemon(3))."""


class _Formatter(logging.Formatter):
    """Formats `name: message`, with a priority in front if the journal reads it."""

    def __init__(self, for_journal: bool) -> None:
        super().__init__("%(name)s: %(message)s")
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line = super().format(record)
        return f"<{PRIORITIES.get(record.levelno, 3)}>{line}" if self._for_journal else line


class _Handler(logging.StreamHandler[Any]):
    """Writes to stderr, or messages about a task to the journal if it reads this process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        fields: dict[str, str] | None = getattr(record, "fields", None)
        if fields is not None:
            message = f"{record.name}: {record.getMessage()}"
            fields = {"SYSLOG_IDENTIFIER": record.name, **fields}
            if journal.send(message, PRIORITIES.get(record.levelno, 3), fields):
                return
        super().emit(record)


def about_task(task_id: str, trace_id: str) -> dict[str, dict[str, str]]:
    """Return the `extra` of a log call, with journal fields that name the task and its trace."""
    fields = {"TASK_ID": task_id, "TRACE_ID": trace_id}
    return {"fields": {name: value for name, value in fields.items() if value}}


def process_log(name: str, level: str = "info") -> logging.Logger:
    """Set up and return the logger of this daemon, with messages from `level` on."""
    logger = logging.getLogger(name)
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter("JOURNAL_STREAM" in os.environ))
    logger.handlers[:] = [handler]
    logger.propagate = False
    set_level(logger, level)
    return logger


def set_level(logger: logging.Logger, level: str) -> None:
    """Log messages from debug, info, warning or error on."""
    logger.setLevel(level.upper())
