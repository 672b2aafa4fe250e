"""Numbers in the kernel's files."""

from __future__ import annotations

from pathlib import Path


def text_in(path: Path) -> str:
    """What the file says, in one line. OSError if it cannot be read."""
    return path.read_text(encoding="utf-8", errors="replace").strip().strip("\0")


def number_in(path: Path) -> int:
    """The whole number in the file. OSError if it cannot be read, ValueError if it holds none."""
    text = text_in(path)
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError(f"{path} holds {text[:40]!r}, no whole number")
    return int(text)
