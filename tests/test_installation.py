"""The installed units' exposure, and the installer's messages."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
UNITS = sorted((REPO / "configs/systemd").glob("*.service"))


def script(name, *arguments):
    command = [str(REPO / "scripts" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_services_exposure_is_as_documented():
    ran = script("exposure")
    if "unknown" in ran.stdout:
        pytest.skip("this systemd-analyze judges no unit that is not loaded (before systemd 250)")
    assert ran.returncode == 0, ran.stdout
    assert len(ran.stdout.splitlines()) == 6


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_pass_keys_as_credentials_and_drain(unit):
    text = unit.read_text()
    keys = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert (keys["Type"], keys["DynamicUser"], keys["Restart"]) == ("notify", "yes", "on-failure")
    assert keys["TimeoutStopSec"] == "20s"
    assert text.count("LoadCredential=") == 3


def test_both_units_differ_only_in_their_names_and_the_clouds_workers():
    edge, cloud = (
        [line for line in unit.read_text().splitlines()[3:] if not line.startswith("#")]
        for unit in (UNITS[1], UNITS[0])
    )
    cloud.remove("OOMPolicy=continue")  # a worker that is out of memory must not end the agent
    different = [pair for pair in zip(edge, cloud, strict=True) if pair[0] != pair[1]]
    assert [e.replace("edge", "cloud") for e, _ in different[1:]] == [c for _, c in different[1:]]
    assert different[0][0].startswith("Description=")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the agent to install: edge or cloud"),
        (("edge", "--gpu"), "--gpu needs a value"),
        (("edge", "--gqu", "none"), "unknown argument --gqu"),
        (("edge", "--root", "/nowhere/at/all"), "no such directory"),
        (("edge", "--gpu", "amd"), "--gpu must be nvidia, jetson or none"),
    ],
)
def test_the_installer_names_what_it_needs(arguments, message):
    if os.geteuid() != 0 and "amd" in arguments:
        message = "must run as root"
    ran = script("install-node", *arguments)
    assert ran.returncode == 1
    assert message in ran.stderr


def test_the_installers_help_is_its_comment():
    ran = script("install-node", "--help")
    assert ran.returncode == 0
    assert "--uninstall" in ran.stdout
    assert "set -e" not in ran.stdout
