"""Access control of the HTTP port.

With a token, every request must bring it. Without one, only programs and pages of this machine
may send requests.
"""

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
    """Access control of one port.

    The cookie's name contains the port, because browsers share cookies between ports of a host.
    """

    def __init__(self, token: str, port: int, encrypted: bool) -> None:
        self._token = token
        self._cookie = f"mc_token_{port}"
        self._cookie_attributes = "Path=/; HttpOnly; SameSite=Strict" + (
            "; Secure" if encrypted else ""
        )

    def refusal(self, headers: Headers, query: Query) -> Response | None:
        """Return the answer that refuses a request; None if it is allowed."""
        if not self._token:
            return as_json({"error": _FOREIGN}, 403) if _is_foreign(headers) else None
        if self._knows(headers, query):
            return None
        return as_json({"error": "this port needs a token: Authorization: Bearer ..."}, 401)

    def sign_in(self, path: str, query: Query) -> Response | None:
        """Turn a token in a page's address into a cookie, and redirect to the bare address.

        So the token does not stay in the browser's history. Return None for any other request.
        """
        if not self._token or path != "/" or "token" not in query:
            return None
        cookie = f"{self._cookie}={self._token}; {self._cookie_attributes}"
        return Response(b"", "text/plain", 303, {"Location": "/", "Set-Cookie": cookie})

    def _knows(self, headers: Headers, query: Query) -> bool:
        """Return True if a request has the token: as bearer, password, parameter or cookie."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode(errors="replace").partition(":")[2]
            except binascii.Error:
                given = ""
        given = given or query.get("token", [""])[0] or self._cookie_value(headers)
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _cookie_value(self, headers: Headers) -> str:
        found = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return next((value for name, _, value in found if name == self._cookie), "")


_FOREIGN = "without a token this port answers localhost only; set http.token_file to allow others"


def _is_foreign(headers: Headers) -> bool:
    """Return True if a page of another host sends the request through a browser on this machine.

    The page's host name may resolve to this machine (DNS rebinding), which the Host header shows.
    Any page may open a WebSocket, which the Origin header shows.
    """
    names = (f"//{headers.get('host', 'localhost')}", headers.get("origin", "//localhost"))
    return not all(is_loopback(_host(name)) for name in names)


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
