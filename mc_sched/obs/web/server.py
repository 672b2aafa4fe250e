"""A small threaded HTTP server with access control, TLS and strict security headers."""

from __future__ import annotations

import contextlib
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
from mc_sched.obs.web.access import Access
from mc_sched.obs.web.http import BadRequest, Request, Response, Route, as_json
from mc_sched.units import parse_address

LONGEST_FORM = 100_000
MOST_CONNECTIONS = 64
MOST_STREAMS = 16
"""Concurrent live tails and downloads: each occupies a thread, and metrics need threads as well."""
PATIENCE_S = 30
"""Time after which a connection is closed that sends nothing or does not read what it is sent."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # nothing from other hosts and no inline scripts, so that log content cannot run
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
}


class WebServer:
    """Serves routes on a port of its own. If there is a token, every request must bring it."""

    def __init__(
        self,
        address: str,
        routes: Sequence[Route],
        token: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """Bind the address. Raise OSError if that fails.

        `certificate`: files of the certificate and its key; None for plain HTTP.
        """
        host, port = parse_address(address)
        tls = None if certificate is None else _tls(*certificate)
        try:
            self._server = _Server(host, port)
        except OSError as error:
            raise OSError(f"cannot listen on {address}: {error.strerror or error}") from None
        self.port: int = self._server.server_address[1]
        self._server.routes = routes
        self._server.access = Access(token, self.port, encrypted=tls is not None)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="http", daemon=True
        )

    def start(self) -> None:
        """Start serving."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
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
        raise UserError(
            f"http: {certificate} and {key} are not a certificate and its key: {error}"
        ) from None
    return context


class _Server(ThreadingHTTPServer):
    """One thread per connection, up to MOST_CONNECTIONS."""

    daemon_threads = True
    request_queue_size = 64
    routes: Sequence[Route]
    access: Access

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.streams = threading.BoundedSemaphore(MOST_STREAMS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection, or close it if there are too many."""
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection on its thread until it ends."""
        with contextlib.ExitStack() as ended:
            ended.callback(self._connections.release)
            super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mc-sched", ""

    def do_GET(self) -> None:
        """Answer a request with its parameters in the address."""
        self._answer({})

    def do_POST(self) -> None:
        """Answer a request with its parameters in a form; Grafana sends long queries this way."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > LONGEST_FORM:
            self.close_connection = True  # the unread form must not be taken for a request
            error = f"a form needs a Content-Length of at most {LONGEST_FORM} bytes"
            self._send(as_json({"error": error}, 413))
            return
        self._answer(parse_qs(self.rfile.read(int(length)).decode(errors="replace")))

    def _answer(self, form: dict[str, list[str]]) -> None:
        parts = urlsplit(self.path)
        query = {**parse_qs(parts.query, keep_blank_values=True), **form}
        path, headers = unquote(parts.path), {k.lower(): v for k, v in self.headers.items()}
        access = self.server.access
        response = access.refusal(headers, query) or access.sign_in(path, query)
        self._send(response or _answered(self.server.routes, Request(path, query, headers)))

    def _send(self, response: Response) -> None:
        if response.stream is None:
            self._send_head(response)
            self.wfile.write(response.body)
        elif self.server.streams.acquire(blocking=False):
            with contextlib.ExitStack() as ended:
                ended.callback(self.server.streams.release)
                self._send_stream(response)
        else:
            error = f"{MOST_STREAMS} live tails and downloads are already open; close one"
            self._send(as_json({"error": error}, 503))

    def _send_stream(self, response: Response) -> None:
        self.close_connection = True  # the end of the connection marks the end of the answer
        self._send_head(response)
        self.wfile.write(response.body)
        try:
            for piece in response.stream or ():
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            raise  # the client has disconnected
        except Exception as error:
            _report(self.path, error)

    def _send_head(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in {**HEADERS, **response.headers}.items():
            self.send_header(name, value)
        if response.status != 101:
            self.send_header("Content-Type", response.content_type)
        if response.stream is None:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests."""


def _answered(routes: Sequence[Route], request: Request) -> Response:
    for pattern, handler in routes:
        found = pattern.fullmatch(request.path)
        if found:
            try:
                return handler(Request(request.path, request.query, request.headers,
                                       found.groups()))  # fmt: skip
            except (BadRequest, UserError) as error:
                return as_json({"error": str(error)}, 400)
            except Exception as error:  # do not send a traceback to the client
                _report(request.path, error)
                return as_json({"error": "internal error; see the agent's stderr"}, 500)
    return as_json({"error": f"no such page: {request.path[:200]}"}, 404)


def _report(path: str, error: Exception) -> None:
    print(f"http: {path.partition('?')[0]}: {sentence(error)}", file=sys.stderr, flush=True)
