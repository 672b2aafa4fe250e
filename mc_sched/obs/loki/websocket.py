"""WebSocket frames (RFC 6455) for a server that only sends."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Section 1.3."""
_TEXT, _PING = 0x81, 0x89
"""Final frames of these kinds, section 5.2."""


def upgrade_headers(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the headers that accept a WebSocket upgrade; None if the request asks for none."""
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or not key:
        return None
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}


def text_frame(payload: bytes) -> bytes:
    """Encode a text message as one frame."""
    return _frame(_TEXT, payload)


def ping_frame() -> bytes:
    """Encode a ping, which the client must answer."""
    return _frame(_PING, b"")


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([kind, size])
    elif size < 1 << 16:
        head = bytes([kind, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([kind, 127]) + size.to_bytes(8, "big")
    return head + payload
