"""Text and numbers in the kernel's files."""

from __future__ import annotations

from pathlib import Path


def text_in(path: Path) -> str:
    """Return the text of a file of one line. Raises OSError if it cannot be read."""
    return path.read_text(encoding="utf-8", errors="replace").strip().strip("\0")


def number_in(path: Path) -> int:
    """Return the integer in a file. Raises OSError or ValueError."""
    text = text_in(path)
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError(f"{path} holds {text[:40]!r}, which is not an integer")
    return int(text)
