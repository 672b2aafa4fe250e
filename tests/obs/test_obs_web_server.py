"""The HTTP port: who gets in, what is answered, what a broken page tells."""

import base64
import http.client
import socket
import ssl
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mc_sched.config import parse_config
from mc_sched.errors import ConfigError, UserError
from mc_sched.obs.metrics.families import certificate_expiry
from mc_sched.obs.web.config import HttpConfig
from mc_sched.obs.web.http import BadRequest, Response, as_json, route
from mc_sched.obs.web.server import LONGEST_FORM, WebServer

TOKEN = "a token of some length"


def says(request):
    return as_json({"q": {k: list(v) for k, v in request.query.items()}, "parts": request.parts})


def refuses(request):
    raise BadRequest("q: is odd")


def breaks(request):
    raise ZeroDivisionError("secret detail")


ROUTES = [
    route("/say", says),
    route("/say/([^/]+)", says),
    route("/bad", refuses),
    route("/broken", breaks),
    route("/number", lambda r: as_json(r.number("n", 5, 0, 10))),
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
    for server in servers:
        server.close()


def ask(port, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    found = response.status, response.read().decode(), response.headers
    connection.close()
    return found


def test_questions_come_in_the_address_or_in_a_form(serve):
    port = serve()
    assert ask(port, "/say?a=1&a=2&b=")[1] == '{"q":{"a":["1","2"],"b":[""]},"parts":[]}'
    assert '"a":["3"]' in ask(port, "/say", "POST", "a=3")[1]
    assert ask(port, "/say/x%20y")[1].endswith('"parts":["x y"]}')
    assert ask(port, "/say", "POST", "a" * (LONGEST_FORM + 1))[0] == 413
    assert ask(port, "/stream")[1] == "abc"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/nowhere", 404, "nothing at /nowhere"),
        ("/bad", 400, "q: is odd"),
        ("/number?n=11", 400, "n: '11' is no whole number from 0 to 10"),
        ("/number?n=1e3", 400, "no whole number"),
        ("/number?n=7", 200, "7"),
        ("/number", 200, "5"),
    ],
)
def test_errors_are_sentences(serve, path, status, text):
    found = ask(serve(), path)
    assert found[0] == status
    assert text in found[1]


def test_what_breaks_tells_the_world_nothing(serve, capsys):
    status, text, _ = ask(serve(), "/broken")
    assert status == 500
    assert "secret" not in text
    assert "ZeroDivisionError: secret detail" in capsys.readouterr().err


def test_pages_are_kept_to_themselves(serve):
    headers = ask(serve(), "/say")[2]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_without_the_token_nobody_gets_in(serve):
    port = serve(token=TOKEN)
    basic = base64.b64encode(f"any:{TOKEN}".encode()).decode()
    assert ask(port, "/say")[0] == 401
    assert ask(port, "/say", Authorization="Bearer wrong")[0] == 401
    assert ask(port, "/say", Authorization="Basic !")[0] == 401
    assert ask(port, "/say", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(port, "/say", Authorization=f"Basic {basic}")[0] == 200
    assert ask(port, "/say", Cookie=f"a=b; mc_token={TOKEN}")[0] == 200


def made_certificate(folder, days):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "c.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "k.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "c.pem", folder / "k.pem"


def test_with_a_certificate_it_speaks_tls_only(serve, tmp_path):
    pair = made_certificate(tmp_path, days=9)
    port = serve(certificate=pair)
    context = ssl.create_default_context(cafile=pair[0])
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request("GET", "/say")
    assert connection.getresponse().status == 200
    connection.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(port, "/say")
    (sample,) = certificate_expiry(pair[0]).samples
    left_s = sample.value - datetime.now(timezone.utc).timestamp()
    assert 8.9 * 86_400 < left_s < 9 * 86_400


def test_a_pair_that_is_none_is_said(tmp_path):
    (tmp_path / "c.pem").write_text("nonsense")
    with pytest.raises(UserError, match="are no pair"):
        WebServer("127.0.0.1:0", ROUTES, certificate=(tmp_path / "c.pem", tmp_path / "c.pem"))


def test_an_address_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            WebServer(address, ROUTES)


# --- configuration ----------------------------------------------------------------------------


def config(**values):
    return parse_config(values, HttpConfig, "test")


def test_it_listens_on_loopback_unless_it_is_told_otherwise():
    assert config().address("edge", "0.0.0.0:7070") == "127.0.0.1:9070"
    assert config().address("cloud", "127.0.0.1:7071") == "127.0.0.1:9071"
    assert config().address("edge", "127.0.0.1:0") is None
    assert config(listen="none").address("edge", "127.0.0.1:7070") is None
    assert config(listen="[::1]:80").address("edge", "127.0.0.1:0") == "[::1]:80"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"listen": "0.0.0.0:9070"}, "beyond loopback it needs token_file, certificate and key"),
        ({"listen": "robot:9070", "token_file": "t"}, "beyond loopback"),
        ({"certificate": "c.pem"}, "belong together"),
        ({"listen": "somewhere"}, "host:port"),
    ],
)
def test_beyond_loopback_it_is_closed(values, says):
    with pytest.raises(ConfigError, match=says):
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
