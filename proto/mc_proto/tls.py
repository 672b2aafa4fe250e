"""Mutual TLS 1.3: the certificates of a node and of its authority.

A node's directory holds `ca.crt` (the authority), `node.crt` and `node.key` (the node's own); they
are made by `mc-sched certs init`. gRPC verifies the peer's certificate in the handshake; `gate.py`
checks its name for every call.
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
REMEDY = "make certificates with `mc-sched certs init` and copy this node's folder to this host"


@dataclass(frozen=True)
class Identity:
    """A node's certificate with its key, and the certificate of its authority; all PEM."""

    ca: bytes
    cert: bytes
    key: bytes

    @property
    def certificate(self) -> x509.Certificate:
        """The node's own certificate."""
        return x509.load_pem_x509_certificate(self.cert)

    @property
    def expires(self) -> datetime:
        """Earlier end of the two certificates."""
        ends = (x509.load_pem_x509_certificate(pem) for pem in (self.ca, self.cert))
        return min(certificate.not_valid_after_utc for certificate in ends)


def identity_folder(directory: str | Path) -> Path:
    """Return the folder of a node's files: its service's credentials, if any, or `directory`."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / NODE_KEY).is_file():
        return Path(credentials)
    return Path(directory)


def load_identity(directory: str | Path) -> Identity:
    """Load the identity from a directory; ValueError or OSError explain what is wrong."""
    folder = identity_folder(directory)
    ca, cert, key = (_pem(folder / name) for name in (CA_CERT, NODE_CERT, NODE_KEY))
    identity = Identity(ca, cert, key)
    try:
        authority, own = x509.load_pem_x509_certificate(ca), identity.certificate
        private = load_pem_private_key(key, None)
        own.verify_directly_issued_by(authority)
    except Exception as error:  # ValueError, TypeError, InvalidSignature
        reason = str(error) or "ca.crt did not sign node.crt"
        raise ValueError(f"{folder}: the certificate cannot be used: {reason}; {REMEDY}") from None
    if not isinstance(own.public_key(), EllipticCurvePublicKey):
        raise ValueError(f"{folder / NODE_CERT}: TLS 1.3 needs an elliptic-curve key; {REMEDY}")
    if private.public_key() != own.public_key():
        raise ValueError(f"{folder / NODE_KEY}: not the key of {NODE_CERT}; {REMEDY}")
    if identity.expires < datetime.now(timezone.utc):
        ended = f"{identity.expires:%Y-%m-%d %H:%M} UTC"
        raise ValueError(f"{folder}: a certificate expired on {ended}; run `mc-sched certs renew`")
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
    """Return the common name of a certificate."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Return credentials of a server that requires a certificate of the same authority."""
    pair = (identity.key, identity.cert)
    # only at this level does gRPC log why it refused a certificate
    os.environ.setdefault("GRPC_VERBOSITY", "INFO")
    return grpc.ssl_server_credentials([pair], identity.ca, require_client_auth=True)


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Return credentials of a client that trusts only the same authority."""
    return grpc.ssl_channel_credentials(identity.ca, identity.key, identity.cert)
