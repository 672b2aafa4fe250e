"""What a daemon says on stderr: its name and a sentence per line, for people and the journal."""

from __future__ import annotations

import logging
import os
import sys

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


def process_log(name: str, level: str = "info") -> logging.Logger:
    """The logger of this daemon, writing from `level` on."""
    log = logging.getLogger(name)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("JOURNAL_STREAM" in os.environ))
    log.handlers[:] = [handler]
    log.propagate = False
    set_level(log, level)
    return log


def set_level(log: logging.Logger, level: str) -> None:
    """Write from debug, info, warning or error on."""
    log.setLevel(level.upper())
