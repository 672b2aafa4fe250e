"""Mutual TLS 1.3: what a node shows, whom it believes, and who it is talking to.

A node's directory holds `ca.crt` (who signs), `node.crt` and `node.key` (who it is); `mc-sched
certs init` makes them. gRPC verifies the other side's certificate in the handshake; its name is
judged per call, in `gate.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

CA_CERT, NODE_CERT, NODE_KEY = "ca.crt", "node.crt", "node.key"
REMEDY = "make certificates with `mc-sched certs init` and copy this node's folder here"


@dataclass(frozen=True)
class Identity:
    """A node's certificate with its key, and the authority that it believes; all PEM."""

    ca: bytes
    cert: bytes
    key: bytes

    @property
    def certificate(self) -> x509.Certificate:
        """The node's own certificate."""
        return x509.load_pem_x509_certificate(self.cert)

    @property
    def expires(self) -> datetime:
        """When the first of the two certificates ends."""
        ends = (x509.load_pem_x509_certificate(pem) for pem in (self.ca, self.cert))
        return min(certificate.not_valid_after_utc for certificate in ends)


def place_of(directory: str | Path) -> Path:
    """Where a node's files are: its service's credentials, if there are any, or `directory`."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / NODE_KEY).is_file():
        return Path(credentials)
    return Path(directory)


def load_identity(directory: str | Path) -> Identity:
    """The identity in a directory. ValueError or OSError with a sentence for what is wrong."""
    place = place_of(directory)
    ca, cert, key = (_pem(place / name) for name in (CA_CERT, NODE_CERT, NODE_KEY))
    identity = Identity(ca, cert, key)
    try:
        authority, own = x509.load_pem_x509_certificate(ca), identity.certificate
        private = load_pem_private_key(key, None)
        own.verify_directly_issued_by(authority)
    except Exception as error:  # ValueError, TypeError, InvalidSignature
        what = str(error) or "ca.crt did not sign node.crt"
        raise ValueError(f"{place}: no certificate to use: {what}; {REMEDY}") from None
    if not isinstance(own.public_key(), EllipticCurvePublicKey):
        raise ValueError(f"{place / NODE_CERT}: only elliptic keys are for TLS 1.3 here; {REMEDY}")
    if private.public_key() != own.public_key():
        raise ValueError(f"{place / NODE_KEY}: is not the key of {NODE_CERT}; {REMEDY}")
    if identity.expires < datetime.now(timezone.utc):
        ended = f"{identity.expires:%Y-%m-%d %H:%M} UTC"
        raise ValueError(f"{place}: a certificate expired on {ended}; run `mc-sched certs renew`")
    return identity


def _pem(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
    if not content:
        raise ValueError(f"{path}: is empty; {REMEDY}")
    return content


def common_name(certificate: x509.Certificate) -> str:
    """The name that a certificate is about."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Of a server that takes no client without a certificate of the same authority."""
    pair = (identity.key, identity.cert)
    # gRPC tells only at this level why it refused a certificate: expired, of whom, or none
    os.environ.setdefault("GRPC_VERBOSITY", "INFO")
    return grpc.ssl_server_credentials([pair], identity.ca, require_client_auth=True)


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Of a client that shows its certificate and believes the same authority alone."""
    return grpc.ssl_channel_credentials(identity.ca, identity.key, identity.cert)
