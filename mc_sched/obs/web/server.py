"""A small HTTP server: threads, a token, TLS, and headers that keep a page to itself."""

from __future__ import annotations

import base64
import binascii
import hmac
import socket
import ssl
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mc_sched.errors import UserError, sentence
from mc_sched.obs.web.http import BadRequest, Request, Response, Route, as_json
from mc_sched.units import parse_address

LONGEST_FORM = 100_000
PATIENCE_S = 30
"""How long a silent connection is kept."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # nothing from elsewhere, no script in the page's own text: log content stays text
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
}


class WebServer:
    """Serves routes on a port of its own. `token` (if any) must come with every request."""

    def __init__(
        self,
        address: str,
        routes: Sequence[Route],
        token: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """`certificate`: its file and its key's. OSError if the address cannot be had."""
        host, port = parse_address(address)

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever asked has left; that is theirs to do."""

        tls = None if certificate is None else _tls(*certificate)
        try:
            self._server = Server((host, port), _handler(routes, token))
        except OSError as error:
            raise OSError(f"cannot listen on {address}: {error.strerror or error}") from None
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="http", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"http: {certificate} and {key} are no pair: {error}") from None
    return context


def _handler(routes: Sequence[Route], token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "mc-sched", ""

        def do_GET(self) -> None:
            """A question in the address."""
            self._answer({})

        def do_POST(self) -> None:
            """The same question in a form, as Grafana asks when it is long."""
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= LONGEST_FORM:
                self._send(as_json({"error": "the form is too long"}, 413))
                return
            self._answer(parse_qs(self.rfile.read(length).decode(errors="replace")))

        def _answer(self, form: dict[str, list[str]]) -> None:
            parts = urlsplit(self.path)
            query = {**parse_qs(parts.query, keep_blank_values=True), **form}
            path, headers = unquote(parts.path), {k.lower(): v for k, v in self.headers.items()}
            if token and not _knows(token, headers, query):
                self._send(as_json({"error": "a token is needed: Authorization: Bearer ..."}, 401))
                return
            self._send(_answered(routes, Request(path, query, headers)))

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            for name, value in {**HEADERS, **response.headers}.items():
                self.send_header(name, value)
            if response.status != 101:
                self.send_header("Content-Type", response.content_type)
            if response.stream is None:
                self.send_header("Content-Length", str(len(response.body)))
            else:
                self.close_connection = True
            self.end_headers()
            self.wfile.write(response.body)
            for piece in response.stream or ():
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news."""

    return Handler


def _knows(token: str, headers: dict[str, str], query: dict[str, list[str]]) -> bool:
    """Whether a request brings the token: as a bearer's, as a password, or in the address."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given).decode(errors="replace").partition(":")[2]
        except binascii.Error:
            given = ""
    given = given or query.get("token", [""])[0] or _cookie(headers)
    return hmac.compare_digest(given.encode(), token.encode())


def _cookie(headers: dict[str, str]) -> str:
    found = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return next((value for name, _, value in found if name == "mc_token"), "")


def _answered(routes: Sequence[Route], request: Request) -> Response:
    for pattern, handler in routes:
        found = pattern.fullmatch(request.path)
        if found:
            try:
                return handler(Request(request.path, request.query, request.headers,
                                       found.groups()))  # fmt: skip
            except (BadRequest, UserError) as error:
                return as_json({"error": str(error)}, 400)
            except Exception as error:  # a page must not bring its thread's trace to the world
                print(f"http: {request.path}: {sentence(error)}", file=sys.stderr, flush=True)
                return as_json({"error": "something broke; the agent's stderr names it"}, 500)
    return as_json({"error": f"there is nothing at {request.path[:200]}"}, 404)
