"""Where log lines go: a file to append to. The log store is another such sink."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol


class Sink(Protocol):
    """What the event log's thread writes to."""

    def append(self, lines: Sequence[bytes]) -> bool:
        """Take these lines, all or none; whether they were taken. Never raises."""

    def close(self) -> None:
        """No more lines come."""


class LogFile:
    """A file without a buffer, at the start of a line; folders are made. OSError names it."""

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _take_off_cut_line(path)
        self._file: IO[bytes] = open(path, "ab", buffering=0)  # noqa: SIM115 - closed in `close`

    def append(self, lines: Sequence[bytes]) -> bool:
        """All of them or, on a full disk, nothing: half a line would spoil the next."""
        return _append(self._file, b"".join(line + b"\n" for line in lines))

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def _take_off_cut_line(path: Path) -> None:
    """A daemon that was killed leaves its last line cut: nobody can read it, nor what follows."""
    with open(path, "r+b") as file:
        if file.seek(0, os.SEEK_END) > 0:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
                whole_lines = log.rfind(b"\n") + 1
            file.truncate(whole_lines)


def _append(file: IO[bytes], data: bytes) -> bool:
    try:
        written = file.write(data)
        if written < len(data):
            file.truncate(file.tell() - written)
        return written == len(data)
    except OSError:
        return False
