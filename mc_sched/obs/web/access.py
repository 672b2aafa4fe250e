"""Who may ask: who has the token or, where there is none, programs and pages of this machine."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from mc_sched.obs.web.http import Response, as_json
from mc_sched.units import is_loopback

Headers = Mapping[str, str]
Query = Mapping[str, Sequence[str]]


class Access:
    """The rule of one port, which other ports' cookies must not fit: browsers share them."""

    def __init__(self, token: str, port: int, encrypted: bool) -> None:
        self._token = token
        self._cookie = f"mc_token_{port}"
        self._kept = "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if encrypted else "")

    def refusal(self, headers: Headers, query: Query) -> Response | None:
        """What to answer to those who may not; None for those who may."""
        if not self._token:
            return as_json({"error": _FOREIGN}, 403) if _is_foreign(headers) else None
        if self._knows(headers, query):
            return None
        return as_json({"error": "a token is needed: Authorization: Bearer ..."}, 401)

    def sign_in(self, path: str, query: Query) -> Response | None:
        """A token in a page's address becomes a cookie, and leaves the address and the history."""
        if not self._token or path != "/" or "token" not in query:
            return None
        cookie = f"{self._cookie}={self._token}; {self._kept}"
        return Response(b"", "text/plain", 303, {"Location": "/", "Set-Cookie": cookie})

    def _knows(self, headers: Headers, query: Query) -> bool:
        """Whether a request brings the token: as a bearer's, as a password, or in the address."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode(errors="replace").partition(":")[2]
            except binascii.Error:
                given = ""
        given = given or query.get("token", [""])[0] or self._kept_by(headers)
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _kept_by(self, headers: Headers) -> str:
        found = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return next((value for name, _, value in found if name == self._cookie), "")


_FOREIGN = "without a token this port answers to localhost only; set http.token_file for others"


def _is_foreign(headers: Headers) -> bool:
    """Whether a page from elsewhere asks, through a browser on this machine.

    Its name may have been pointed at this machine (DNS rebinding), and a WebSocket may be opened
    by any page: the one shows in Host, the other in Origin.
    """
    names = (f"//{headers.get('host', 'localhost')}", headers.get("origin", "//localhost"))
    return not all(is_loopback(_host(name)) for name in names)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
