"""Certificates of a deployment, made and read."""

import stat
from datetime import datetime, timedelta, timezone

import pytest
from mc_proto.tls import common_name, load_identity

from mc_sched import certs
from mc_sched.errors import UserError


@pytest.fixture
def authority(tmp_path):
    certs.make_authority(tmp_path)
    return tmp_path


def test_a_node_gets_the_files_that_it_needs_and_no_others(authority):
    folder = certs.make_node(authority, "robot-7", ["10.0.0.7", "robot.local"])
    assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "node.crt", "node.key"]
    identity = load_identity(folder)
    assert common_name(identity.certificate) == "robot-7"
    assert certs.hosts_of(identity.certificate) == ["robot-7", "10.0.0.7", "robot.local"]
    life = identity.expires - datetime.now(timezone.utc)
    assert timedelta(days=396) < life <= timedelta(days=certs.NODE_DAYS)


def test_only_their_owner_can_read_keys(authority):
    folder = certs.make_node(authority, "robot", [])
    for key in (authority / "ca.key", folder / "node.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_renewed_certificate_is_for_the_same_name_and_hosts_with_another_key(authority):
    old = load_identity(certs.make_node(authority, "robot", ["10.0.0.7"], days=1))
    new = load_identity(certs.renew_node(authority, "robot"))
    assert certs.hosts_of(new.certificate) == certs.hosts_of(old.certificate)
    assert new.key != old.key
    assert new.expires > old.expires


def test_an_authority_is_never_replaced(authority):
    before = (authority / "ca.key").read_bytes()
    with pytest.raises(UserError, match="has an authority already"):
        certs.make_authority(authority)
    assert (authority / "ca.key").read_bytes() == before


@pytest.mark.parametrize("name", ["", "a/b", "..\n", "two words"])
def test_a_name_that_is_not_a_file_name_is_refused(authority, name):
    with pytest.raises(UserError, match="is not a valid node name"):
        certs.make_node(authority, name, [])


# --- what a node reads -------------------------------------------------------------------------


@pytest.fixture
def node(authority):
    return certs.make_node(authority, "robot", [])


def test_an_empty_placeholder_is_an_error_with_the_remedy(node):
    (node / "node.crt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"node.crt: is empty; make .*mc-sched certs init"):
        load_identity(node)


def test_a_missing_file_is_named(node):
    (node / "ca.crt").unlink()
    with pytest.raises(OSError, match=r"ca.crt: cannot be read .*mc-sched certs init"):
        load_identity(node)


def test_a_certificate_of_another_authority_is_refused(node, tmp_path):
    certs.make_authority(tmp_path / "other")
    (node / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    with pytest.raises(ValueError, match="the certificate cannot be used"):
        load_identity(node)


def test_another_nodes_key_is_refused(node, authority):
    other = certs.make_node(authority, "other", [])
    (node / "node.key").write_bytes((other / "node.key").read_bytes())
    with pytest.raises(ValueError, match=r"node.key: not the key of node.crt"):
        load_identity(node)


def test_an_expired_certificate_is_an_error_with_the_command_to_renew_it(authority, monkeypatch):
    monkeypatch.setattr(certs, "CLOCK_SLACK", timedelta(days=3))
    folder = certs.make_node(authority, "robot", [], days=-1)
    with pytest.raises(ValueError, match=r"expired on .*certs renew"):
        load_identity(folder)


def test_a_services_credentials_come_first(node, tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(node))
    assert common_name(load_identity(tmp_path / "nowhere").certificate) == "robot"
