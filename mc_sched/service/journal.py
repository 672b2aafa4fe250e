"""Messages with fields of their own, sent in the journal's native protocol.

See https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Messages about a task are sent like this; the
journal reads all others from stderr.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"


def send(message: str, priority: int, fields: Mapping[str, str]) -> bool:
    """Send a message to the journal; return False if the journal does not read this process."""
    if "JOURNAL_STREAM" not in os.environ:
        return False
    entries = {"MESSAGE": message, "PRIORITY": str(priority), **fields}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
            connection.sendto(b"".join(_field(*field) for field in entries.items()), SOCKET)
    except OSError:
        return False
    return True


def _field(name: str, value: str) -> bytes:
    """Encode a field with its length, so that a value may contain any byte."""
    data = value.encode(errors="replace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
