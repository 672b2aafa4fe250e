"""Certificates of a deployment: one authority, one certificate per node, elliptic-curve keys.

One directory holds them all: `ca.crt` and `ca.key`, and a folder per node with the three files that
the node needs. Keep `ca.key` secret, as it can sign certificates for new nodes.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mc_proto.tls import CA_CERT, NODE_CERT, NODE_KEY

from mc_sched.errors import UserError

CA_KEY = "ca.key"
CA_DAYS = 3650
NODE_DAYS = 397
"""Longest validity that browsers accept (CA/B Forum, 2020)."""
CLOCK_SLACK = timedelta(hours=1)
"""New certificates are valid this long in the past, for nodes whose clock is behind."""
Key = ec.EllipticCurvePrivateKey
Pair = tuple[x509.Certificate, Key]


def make_authority(directory: Path, days: int = CA_DAYS) -> None:
    """Make `ca.crt` and `ca.key`. Raises UserError if there is an authority already."""
    if (directory / CA_KEY).exists():
        raise UserError(
            f"{directory}: has an authority already; add nodes to it or name another directory"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    # a name of its own, so that an error can say that a certificate is another authority's
    name = _name(f"mc-sched authority {secrets.token_hex(4)}")
    builder = _builder(name, name, key, days)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    _write(directory, CA_CERT, CA_KEY, (builder.sign(key, hashes.SHA256()), key))


def make_node(directory: Path, node: str, hosts: Sequence[str], days: int = NODE_DAYS) -> Path:
    """Make or replace a node's certificate and key; returns its folder.

    `hosts` are the names and addresses at which others reach it, besides its own name.
    """
    ca, ca_key = _authority(directory)
    if not node or not all(char.isalnum() or char in "-._" for char in node):
        raise UserError(f"{node!r} is not a valid node name; use letters, digits, '-', '_' and '.'")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(node), ca.subject, key, days)
    both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage(both_ends), False),
        (x509.SubjectAlternativeName([_host(h) for h in dict.fromkeys((node, *hosts))]), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    folder = directory / node
    _write(folder, NODE_CERT, NODE_KEY, (builder.sign(ca_key, hashes.SHA256()), key))
    (folder / CA_CERT).write_bytes((directory / CA_CERT).read_bytes())
    return folder


def renew_node(directory: Path, node: str, days: int = NODE_DAYS) -> Path:
    """Make a new certificate and key for the same name and hosts; returns the node's folder."""
    old = read_certificate(directory / node / NODE_CERT)
    return make_node(directory, node, hosts_of(old), days)


def nodes_in(directory: Path) -> list[str]:
    """Return the nodes that have a folder in this directory."""
    return sorted(path.parent.name for path in directory.glob(f"*/{NODE_CERT}"))


def read_certificate(path: Path) -> x509.Certificate:
    """Read a certificate. Raises UserError if the file has none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not a valid certificate: {error}") from None


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses that a certificate is valid for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found.value]


def _authority(directory: Path) -> Pair:
    certificate = read_certificate(directory / CA_CERT)
    try:
        key = load_pem_private_key((directory / CA_KEY).read_bytes(), None)
    except (OSError, ValueError) as error:
        raise UserError(f"{directory / CA_KEY}: is not a valid key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError(f"{directory / CA_KEY}: is not an elliptic-curve key")
    return certificate, key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: int) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(**allowed: bool) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**(dict.fromkeys(every, False) | allowed))


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(folder: Path, cert_name: str, key_name: str, pair: Pair) -> None:
    """Write a certificate and its key, which only its owner can read; files are replaced whole."""
    certificate, key = pair
    folder.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(folder / key_name, pem, 0o600)
    _replace(folder / cert_name, certificate.public_bytes(Encoding.PEM), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    new.replace(path)
