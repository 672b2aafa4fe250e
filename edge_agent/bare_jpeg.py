"""Test whether a JPEG file holds an image and nothing else."""

from __future__ import annotations

import re

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _JFIF = 0xDA, 0xE0
# quantisation and Huffman tables, baseline, extended or progressive frame, restart interval, scan
_IMAGE = {0xDB, 0xC4, 0xC0, 0xC1, 0xC2, 0xDD, _SCAN}
_JFIF_LENGTH = 16
"""Length of a JFIF segment without a thumbnail (ITU-T T.871, 10.1)."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""Within a scan 0xff is followed by 0 or is a restart marker (ITU-T T.81, B.1.1.5)."""


def is_bare_jpeg(data: bytes) -> bool:
    """Return True if `data` has only the segments that decoding needs, and no bytes behind them.

    The other segments may hold metadata of cameras and editors, comments, colour profiles and
    thumbnails (ITU-T T.81, annex B). A file that cannot be parsed is not bare.
    """
    at = 2 if data.startswith(_START) else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind not in _IMAGE and not (kind == _JFIF and length == _JFIF_LENGTH):
            return False
        at += 2 + length
        if kind == _SCAN:
            found = _MARKER.search(data, at)
            at = found.start() if found else len(data)
    return data[at:] == _END
