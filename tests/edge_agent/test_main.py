"""Errors that keep an edge agent from starting: one sentence, exit code 1."""

import shutil
import socket

import pytest
from mc_models.bundle.files import SHIPPED

from edge_agent.main import main

BUNDLE = SHIPPED / "set-a"


@pytest.fixture
def complaint(capfd):
    """Start an agent that cannot start; return its sentence."""

    def start(*options):
        assert main([str(option) for option in options]) == 1
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        return err.removeprefix("mc-edge-agent: ").rstrip("\n")

    return start


def test_a_misspelt_key(complaint, tmp_path):
    config = tmp_path / "edge.yaml"
    config.write_text("accuracy_stepp: 0.1\n")
    assert complaint("--config", config) == (
        f"{config}: unknown key 'accuracy_stepp'; did you mean 'accuracy_step'?"
    )


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--mode", "fast", "'performance' or 'energy'"),
        (
            "--policy",
            "best",
            "mc, mc-paper, ddnn, server, jointdnn, edge-only, neurosurgeon, edgent",
        ),
        ("--threads", "0", "greater than or equal to 1"),
        ("--radio", "5g", "'wifi', '4g' or '3g'"),
        ("--power", "sun", "auto, none, jetson-ina3221"),
        ("--listen", "nowhere", "host:port"),
    ],
)
def test_an_option_out_of_range(complaint, option, value, allowed):
    sentence = complaint(option, value)
    assert sentence.startswith("command line: key ")
    assert allowed in sentence


def test_a_name_that_the_wire_does_not_take(complaint, tmp_path):
    config = tmp_path / "edge.yaml"
    config.write_text("edge_id: a/b\n")
    assert complaint("--config", config) == (
        f"{config}: key 'edge_id', value 'a/b': must be printable characters without a slash"
    )


def test_beyond_loopback_without_certificates(complaint):
    sentence = complaint("--listen", "0.0.0.0:0")
    assert sentence.startswith("command line: key 'listen', value '0.0.0.0:0': other machines")
    assert "certs init" in sentence
    assert "listen_without_tls: true" in sentence


def test_missing_certificates(complaint, tmp_path):
    config = tmp_path / "edge.yaml"
    config.write_text(f"tls: {{directory: {tmp_path}}}\nlisten: 0.0.0.0:0\n")
    assert complaint("--config", config).startswith(f"{tmp_path}/ca.crt: cannot be read")


def test_a_folder_that_is_not_a_bundle(complaint, tmp_path):
    sentence = complaint("--listen", "127.0.0.1:0", "--bundle", tmp_path)
    assert sentence.startswith(f"{tmp_path} is not a bundle")
    assert "set-a" in sentence


def test_weights_that_do_not_match_their_hash(complaint, tmp_path):
    bundle = shutil.copytree(BUNDLE, tmp_path / "bundle")
    damaged = bytearray((bundle / "edge.safetensors").read_bytes())
    damaged[-1] ^= 1
    (bundle / "edge.safetensors").write_bytes(damaged)
    sentence = complaint("--listen", "127.0.0.1:0", "--bundle", bundle)
    assert sentence.startswith(f"{bundle}/edge.safetensors: its SHA-256 differs")
    assert sentence.endswith("copy the bundle again")


def test_an_event_log_that_cannot_be_written(complaint, tmp_path):
    sentence = complaint("--listen", "127.0.0.1:0", "--event-log", tmp_path)
    assert str(tmp_path) in sentence


def test_a_port_in_use(complaint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert complaint("--listen", address).startswith(
            f"cannot listen on {address}: the port is in use"
        )
