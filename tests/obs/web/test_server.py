"""The HTTP port: access, answers and errors."""

import base64
import contextlib
import http.client
import socket
import ssl
import time
from urllib.parse import quote

import pytest

from mc_sched.config import parse_config
from mc_sched.errors import ConfigError, UserError
from mc_sched.obs.web import server
from mc_sched.obs.web.access import Access
from mc_sched.obs.web.config import HttpConfig
from mc_sched.obs.web.http import BadRequest, Response, as_json, route
from mc_sched.obs.web.server import LONGEST_FORM, WebServer
from tests.obs.certificates import made_certificate

TOKEN = "a token of some length"


def echo(request):
    return as_json({"q": {k: list(v) for k, v in request.query.items()}, "parts": request.parts})


def refuses(request):
    raise BadRequest("q: is odd")


def endless():
    while True:
        yield b"x"
        time.sleep(0.01)


def breaks(request):
    raise ZeroDivisionError("secret detail")


ROUTES = [
    route("/echo", echo),
    route("/echo/([^/]+)", echo),
    route("/bad", refuses),
    route("/broken", breaks),
    route("/number", lambda r: as_json(r.number("n", 5, 0, 10))),
    route("/endless", lambda r: Response(b"", "text/plain", stream=endless())),
    route("/stream", lambda r: Response(b"a", "text/plain", stream=iter([b"b", b"c"]))),
]


@pytest.fixture
def serve():
    servers = []

    def start(**options):
        servers.append(WebServer("127.0.0.1:0", ROUTES, **options))
        servers[-1].start()
        return servers[-1].port

    yield start
    for started in servers:
        started.close()


def ask(port, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    found = response.status, response.read().decode(), response.headers
    connection.close()
    return found


def test_parameters_come_in_the_address_or_in_a_form(serve):
    port = serve()
    assert ask(port, "/echo?a=1&a=2&b=")[1] == '{"q":{"a":["1","2"],"b":[""]},"parts":[]}'
    assert '"a":["3"]' in ask(port, "/echo", "POST", "a=3")[1]
    assert ask(port, "/echo/x%20y")[1].endswith('"parts":["x y"]}')
    assert ask(port, "/echo", "POST", "a" * (LONGEST_FORM + 1))[0] == 413
    assert ask(port, "/stream")[1] == "abc"


def test_a_form_that_is_not_read_ends_the_connection(serve):
    """Otherwise the rest of the form would be taken for the next request."""
    for length in ("999999", "many", "-1", ""):
        with socket.create_connection(("127.0.0.1", serve()), timeout=10) as client:
            client.sendall(
                f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
                "GET /echo?smuggled=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 413"), length
        assert b"smuggled" not in answer


def test_connections_beyond_the_limit_are_closed(serve, monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    port = serve()
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(2)]
    for client in held:
        client.sendall(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(port, "/echo")
    held.pop().close()
    due_s = time.monotonic() + 10
    while True:
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert ask(port, "/echo")[0] == 200
            break
        assert time.monotonic() < due_s
    held.pop().close()


def test_live_tails_leave_room_for_other_requests(serve, monkeypatch):
    monkeypatch.setattr(server, "MOST_STREAMS", 1)
    port = serve()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as tail:
        tail.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert tail.recv(100).startswith(b"HTTP/1.1 200")
        status, text, _ = ask(port, "/endless")
        assert status == 503
        assert "close one" in text
        assert ask(port, "/echo")[0] == 200


def test_a_failing_stream_is_reported_on_stderr(serve, capsys):
    def breaking():
        yield b"b"
        raise ZeroDivisionError("secret detail")

    ROUTES.append(route("/breaking", lambda r: Response(b"a", "text/plain", stream=breaking())))
    assert ask(serve(), "/breaking")[1] == "ab"
    assert "ZeroDivisionError: secret detail" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/nowhere", 404, "no such page: /nowhere"),
        ("/bad", 400, "q: is odd"),
        ("/number?n=11", 400, "n: '11' is not an integer from 0 to 10"),
        ("/number?n=1e3", 400, "not an integer"),
        ("/number?n=7", 200, "7"),
        ("/number", 200, "5"),
    ],
)
def test_errors_are_sentences(serve, path, status, text):
    found = ask(serve(), path)
    assert found[0] == status
    assert text in found[1]


def test_an_internal_error_reveals_nothing_to_the_client(serve, capsys):
    status, text, _ = ask(serve(), "/broken")
    assert status == 500
    assert "secret" not in text
    assert "ZeroDivisionError: secret detail" in capsys.readouterr().err


def test_pages_have_security_headers(serve):
    headers = ask(serve(), "/echo")[2]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_without_the_token_is_refused(serve):
    port = serve(token=TOKEN)
    basic = base64.b64encode(f"any:{TOKEN}".encode()).decode()
    assert ask(port, "/echo")[0] == 401
    assert ask(port, "/echo", Authorization="Bearer wrong")[0] == 401
    assert ask(port, "/echo", Authorization="Basic !")[0] == 401
    assert ask(port, "/echo", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(port, "/echo", Authorization=f"Basic {basic}")[0] == 200
    assert ask(port, "/echo", Cookie=f"a=b; mc_token_{port}={TOKEN}")[0] == 200
    assert ask(port, "/echo", Cookie=f"mc_token_{port + 1}={TOKEN}")[0] == 401
    assert ask(port, "/echo", Host="robot", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(serve):
    port = serve(token=TOKEN)
    status, _, headers = ask(port, f"/?token={quote(TOKEN)}")
    assert (status, headers["Location"]) == (303, "/")
    kept, _, how = headers["Set-Cookie"].partition("; ")
    assert how == "Path=/; HttpOnly; SameSite=Strict"
    assert ask(port, "/echo", Cookie=kept)[0] == 200
    assert ask(port, "/?token=wrong")[2]["Set-Cookie"] is None
    assert ask(serve(), "/?token=any")[0] == 404  # without a token there is nothing to keep


def test_over_tls_the_cookie_never_travels_in_the_clear():
    sign_in = Access(TOKEN, 9070, encrypted=True).sign_in("/", {"token": [TOKEN]})
    assert sign_in.headers["Set-Cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:9070"}, 200),
        ({"Host": "[::1]:9070", "Origin": "http://127.0.0.1:9070"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_without_a_token_pages_of_other_hosts_are_refused(serve, headers, status):
    assert ask(serve(), "/echo", **headers)[0] == status


def test_with_a_certificate_it_speaks_tls_only(serve, tmp_path):
    pair = made_certificate(tmp_path, days=9)
    port = serve(certificate=pair)
    context = ssl.create_default_context(cafile=pair[0])
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request("GET", "/echo")
    assert connection.getresponse().status == 200
    connection.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(port, "/echo")


def test_a_certificate_without_its_key_is_an_error(tmp_path):
    (tmp_path / "c.pem").write_text("nonsense")
    with pytest.raises(UserError, match="are not a certificate and its key"):
        WebServer("127.0.0.1:0", ROUTES, certificate=(tmp_path / "c.pem", tmp_path / "c.pem"))


def test_a_taken_address_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            WebServer(address, ROUTES)


# --- configuration ----------------------------------------------------------------------------


def config(**values):
    return parse_config(values, HttpConfig, "test")


def test_it_listens_on_loopback_by_default():
    assert config().address("edge", "0.0.0.0:7070") == "127.0.0.1:9070"
    assert config().address("cloud", "127.0.0.1:7071") == "127.0.0.1:9071"
    assert config().address("edge", "127.0.0.1:0") is None
    assert config(listen="none").address("edge", "127.0.0.1:7070") is None
    assert config(listen="[::1]:80").address("edge", "127.0.0.1:0") == "[::1]:80"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"listen": "0.0.0.0:9070"}, "beyond loopback it needs token_file, certificate and key"),
        ({"listen": "robot:9070", "token_file": "t"}, "beyond loopback"),
        ({"certificate": "c.pem"}, "certificate and key together"),
        ({"listen": "somewhere"}, "host:port"),
    ],
)
def test_beyond_loopback_token_and_tls_are_required(values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_a_token_comes_from_its_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert config(token_file=str(file)).token() == TOKEN
    assert config().token() == ""
    file.write_text("short")
    with pytest.raises(UserError, match="at least 16 characters"):
        config(token_file=str(file)).token()
    with pytest.raises(UserError, match="cannot be read"):
        config(token_file=str(tmp_path / "none")).token()
