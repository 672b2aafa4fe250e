"""A sentence with fields of its own, in the journal's native protocol.

See https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Only what is about a task goes this way; all else
the journal reads from stderr.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"


def send(message: str, priority: int, fields: Mapping[str, str]) -> bool:
    """Tell the journal, if it is the one that reads this process; whether it took it."""
    if "JOURNAL_STREAM" not in os.environ:
        return False
    every = {"MESSAGE": message, "PRIORITY": str(priority), **fields}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
            to.sendto(b"".join(_field(*field) for field in every.items()), SOCKET)
    except OSError:
        return False
    return True


def _field(name: str, value: str) -> bytes:
    """With its length, so that a value may hold anything."""
    data = value.encode(errors="replace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
