"""Errors that keep a cloud agent from starting: one sentence, exit code 1."""

import shutil
import socket

import pytest
from mc_models.bundle.files import SHIPPED

from cloud_agent.main import main

BUNDLE = SHIPPED / "set-a"


@pytest.fixture
def complaint(capfd):
    """Start an agent that cannot start; return its sentence."""

    def start(*options):
        assert main([str(option) for option in options]) == 1
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        return err.removeprefix("mc-cloud-agent: ").rstrip("\n")

    return start


def test_a_misspelt_key(complaint, tmp_path):
    config = tmp_path / "cloud.yaml"
    config.write_text("max_task: 9\n")
    expected = f"{config}: unknown key 'max_task'; did you mean 'max_tasks'?"
    assert complaint("--config", config) == expected


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("exit_rule: soon", "'earliest', 'pursue' or 'adaptive'"),
        ("quantile: 1.0", "less than 1"),
        ("max_payload_bytes: 9000000", "less than or equal to 8388608"),
        ("threads: two", "valid integer"),
    ],
)
def test_a_value_out_of_range(complaint, tmp_path, text, allowed):
    config = tmp_path / "cloud.yaml"
    config.write_text(text)
    sentence = complaint("--config", config)
    assert sentence.startswith(f"{config}: key '{text.partition(':')[0]}', value ")
    assert allowed in sentence


def test_devices_on_the_command_line(complaint):
    sentence = complaint("--devices", "cpu,gpu")
    assert sentence.startswith(
        "command line: key 'devices', value 'cpu,gpu': must be auto, or a list"
    )
    sentence = complaint("--listen", "127.0.0.1:0", "--devices", "cpu, cuda:99")
    assert sentence.startswith("devices: cuda:99: this machine has ")


def test_a_folder_that_is_not_a_bundle(complaint, tmp_path):
    sentence = complaint("--listen", "127.0.0.1:0", "--bundle", tmp_path)
    assert sentence.startswith(f"{tmp_path} is not a bundle")


@pytest.mark.parametrize("end", [-1, 1000])
def test_weights_that_do_not_match_their_hash(complaint, tmp_path, end):
    """The last byte is missing, or nearly all of the file."""
    bundle = shutil.copytree(BUNDLE, tmp_path / "bundle")
    complete = (bundle / "cloud.safetensors").read_bytes()
    (bundle / "cloud.safetensors").write_bytes(complete[:end])
    sentence = complaint("--listen", "127.0.0.1:0", "--bundle", bundle)
    assert sentence.startswith(f"{bundle}/cloud.safetensors: its SHA-256 differs")
    assert sentence.endswith("copy the bundle again")


def test_a_port_in_use(complaint):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert complaint("--listen", address).startswith(
            f"cannot listen on {address}: the port is in use"
        )
