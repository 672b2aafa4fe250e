"""A small HTTP server: threads, a token, TLS, and headers that keep a page to itself."""

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
"""Live tails and downloads at a time: each holds a thread, and metrics want one, too."""
PATIENCE_S = 30
"""How long a silent connection is kept, and one that does not take what it is sent."""
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


class _Server(ThreadingHTTPServer):
    """A thread for each connection, and no more of them than an agent can bear."""

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
        """Give the connection a thread, or close it."""
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """On that thread, to the connection's end."""
        with contextlib.ExitStack() as ended:
            ended.callback(self._connections.release)
            super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has left; that is theirs to do."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mc-sched", ""

    def do_GET(self) -> None:
        """A question in the address."""
        self._answer({})

    def do_POST(self) -> None:
        """The same question in a form, as Grafana asks when it is long."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > LONGEST_FORM:
            self.close_connection = True  # what follows is the form, and no request
            what = f"a form needs a Content-Length of at most {LONGEST_FORM}"
            self._send(as_json({"error": what}, 413))
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
            what = f"{MOST_STREAMS} live tails and downloads are open already; close one"
            self._send(as_json({"error": what}, 503))

    def _send_stream(self, response: Response) -> None:
        self.close_connection = True  # its end is the answer's end
        self._send_head(response)
        self.wfile.write(response.body)
        try:
            for piece in response.stream or ():
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            raise  # whoever asked has left
        except Exception as error:
            _tell(self.path, error)

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
        """Requests are no news."""


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
                _tell(request.path, error)
                return as_json({"error": "something broke; the agent's stderr names it"}, 500)
    return as_json({"error": f"there is nothing at {request.path[:200]}"}, 404)


def _tell(path: str, error: Exception) -> None:
    print(f"http: {path.partition('?')[0]}: {sentence(error)}", file=sys.stderr, flush=True)
