"""Test whether a JPEG file holds an image and nothing else."""

from __future__ import annotations

import re

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _JFIF = 0xDA, 0xE0
_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive frame: precision, height, width, number of components."""
# quantisation and Huffman tables, restart interval
_IMAGE = {0xDB, 0xC4, 0xDD, _SCAN, *_FRAMES}
_JFIF_LENGTH = 16
"""Length of a JFIF segment without a thumbnail (ITU-T T.871, 10.1)."""
_FRAME_LENGTH, _PRECISION, _COMPONENTS = 17, 8, 3
"""Length of the frame of an 8-bit colour image."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""Within a scan 0xff is followed by 0 or is a restart marker (ITU-T T.81, B.1.1.5)."""


def bare_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a complete colour JPEG with only the segments that decoding needs.

    Return None for any other file. The other segments may hold metadata of cameras and editors,
    comments, colour profiles and thumbnails (ITU-T T.81, annex B). No pixel is decoded.
    """
    size: tuple[int, int] | None = None
    at = 2 if data.startswith(_START) else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind not in _IMAGE and not (kind == _JFIF and length == _JFIF_LENGTH):
            return None
        if kind in _FRAMES:
            if size is not None:
                return None
            size = _colour_size(data[at + 4 : at + 2 + length])
            if size is None:
                return None
        at += 2 + length
        if kind == _SCAN:
            found = _MARKER.search(data, at)
            at = found.start() if found else len(data)
    return size if data[at:] == _END else None


def _colour_size(frame: bytes) -> tuple[int, int] | None:
    """Return width and height of a frame of 8-bit colour, None for any other."""
    if len(frame) + 2 != _FRAME_LENGTH or frame[0] != _PRECISION or frame[5] != _COMPONENTS:
        return None
    return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
