"""Sinks for log lines: the interface, and a plain file. The log store is another sink."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol


class Sink(Protocol):
    """Destination that the event log's thread writes to."""

    def append(self, lines: Sequence[bytes]) -> bool:
        """Write all these lines or none; return True if they were written. Never raises."""

    def close(self) -> None:
        """Release the sink; no more lines follow."""


class LogFile:
    """An unbuffered file of JSON lines, for appending."""

    def __init__(self, path: str | Path) -> None:
        """Open the file; create its folders. Raise OSError if that fails."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _remove_incomplete_line(path)
        self._file: IO[bytes] = open(path, "ab", buffering=0)  # noqa: SIM115 - closed in `close`

    def append(self, lines: Sequence[bytes]) -> bool:
        """Write all the lines or, if the disk is full, none: half a line would spoil the next."""
        return _append(self._file, b"".join(line + b"\n" for line in lines))

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def _remove_incomplete_line(path: Path) -> None:
    """Remove the incomplete last line of a killed daemon: appending to it would spoil the next."""
    with open(path, "r+b") as file:
        if file.seek(0, os.SEEK_END) > 0:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
                end = log.rfind(b"\n") + 1
            file.truncate(end)


def _append(file: IO[bytes], data: bytes) -> bool:
    try:
        written = file.write(data)
        if written < len(data):
            file.truncate(file.tell() - written)
        return written == len(data)
    except OSError:
        return False
