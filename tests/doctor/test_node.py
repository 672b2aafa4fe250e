"""Checks of the doctor for an installed agent, with the remedy for each fault."""

import asyncio
import json
import socket
import threading

import grpc
import pytest
from mc_models.bundle.load import load_bundle

from cloud_agent.config import CloudConfig
from edge_agent.config import EdgeConfig
from mc_sched import certs
from mc_sched.config import parse_config
from mc_sched.doctor import node, peer
from mc_sched.doctor.node import Node
from tests.edge_agent.edge_rig import CLOUD
from tests.proto.session.fake_cloud_agent import FakeCloudAgent

MODELS = {"edge": EdgeConfig, "cloud": CloudConfig}
OWN = load_bundle("set-a", verify=False).hash


@pytest.fixture
def place(tmp_path):
    """Create an agent's installation with these keys in its configuration."""

    def made(kind="edge", **keys):
        return Node(kind, tmp_path / f"{kind}.yaml", parse_config(keys, MODELS[kind], "test"))

    return made


def test_every_check_of_a_node_has_its_line(run, tmp_path):
    (tmp_path / "edge.yaml").write_text("cloud: null\n")
    ran = run("doctor", "--node", "edge", "--config", tmp_path / "edge.yaml", "--output", "json")
    found = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert list(found)[5:] == [
        "edge configuration", "bundle", "profile", "certificate", "unit", "port", "peer",
    ]  # fmt: skip
    for check in found.values():
        assert check["state"] in ("ok", "warning", "failed")
        assert bool(check["remedy"]) == (check["state"] != "ok")


def test_a_mistake_in_the_configuration_is_the_one_thing_to_correct(tmp_path):
    (tmp_path / "edge.yaml").write_text("moed: energy\n")
    (check,) = node.check_node("edge", tmp_path / "edge.yaml")
    assert check.state == "failed"
    assert "did you mean 'mode'?" in check.detail
    assert "config check" in check.remedy


def test_the_bundle_is_verified(place, tmp_path):
    assert node.check_bundle(place()).facts["hash"] == OWN
    assert node.check_bundle(place(bundle=str(tmp_path))).state == "failed"


def test_the_devices_of_a_cloud_agent_are_looked_for():
    check = node.check_devices(("cpu", "cpu"))
    assert (check.state, check.detail) == ("ok", "2 workers: cpu, cpu")
    check = node.check_devices(("cuda:99",))
    assert check.state == "failed"
    assert check.detail.startswith("devices: cuda:99: this machine has ")


def test_a_missing_profile_is_a_warning(place, tmp_path):
    check = node.check_profile(place(profile=str(tmp_path / "none.json")))
    assert (check.state, check.facts) == ("warning", {})
    assert "while the machine is idle" in check.remedy


@pytest.mark.parametrize(("days", "state"), [(397, "ok"), (12, "warning")])
def test_a_certificate_is_reported_with_the_days_that_are_left(place, tmp_path, days, state):
    certs.make_authority(tmp_path)
    folder = certs.make_node(tmp_path, "robot", [], days)
    check = node.check_certificate(place(tls={"directory": str(folder)}))
    assert (check.state, check.facts["days_left"]) == (state, days - 1)
    assert ("certs renew" in check.remedy) == (state == "warning")


def test_a_certificate_that_cannot_be_used_has_failed(place, tmp_path):
    check = node.check_certificate(place(tls={"directory": str(tmp_path)}))
    assert check.state == "failed"
    assert "certs init" in check.remedy


def test_a_missing_unit_has_the_command_to_install_it(place):
    check = node.check_unit(place())
    assert check.state == "warning"
    assert "install-node edge" in check.remedy or "by hand" in check.remedy


def test_the_port_is_open_or_not(place):
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        assert node.check_port(place(listen=listen)).state == "ok"
    check = node.check_port(place(listen=listen))
    assert (check.state, listen in check.detail) == ("failed", True)


# --- the peer ----------------------------------------------------------------------------------


@pytest.fixture
def cloud():
    """Starts a cloud agent for a bundle on a loop of its own and returns its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    agents = []

    def start(bundle_hash, refusal=None):
        agents.append(FakeCloudAgent(CLOUD))
        agents[-1].bundle_hash, agents[-1].refusal = bundle_hash, refusal
        asyncio.run_coroutine_threadsafe(agents[-1].start(), loop).result(10)
        return agents[-1].address

    yield start
    for agent in agents:
        asyncio.run_coroutine_threadsafe(agent.crash(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_peer_with_the_same_bundle(place, cloud):
    check = peer.check_peer(place(cloud=cloud(OWN)).config)
    assert check.state == "ok"
    assert check.facts["rtt_ms"] > 0
    assert check.facts["credits"] == 8


def test_a_peer_that_gives_no_session(place, cloud):
    sentence = "hello.edge_id: belongs to another certificate; give each edge an id of its own"
    refusal = (grpc.StatusCode.INVALID_ARGUMENT, sentence)
    check = peer.check_peer(place(cloud=cloud(OWN, refusal)).config)
    assert check.state == "failed"
    assert check.detail.endswith(f"ended the session: {sentence}")


def test_a_peer_with_another_bundle(place, cloud):
    check = peer.check_peer(place(cloud=cloud("0123")).config)
    assert check.state == "warning"
    assert "same bundle on both" in check.remedy


def test_a_peer_that_does_not_answer(place):
    check = peer.check_peer(place(cloud="127.0.0.1:9").config)
    assert check.state == "failed"
    assert "check that the cloud agent runs" in check.remedy


def test_no_peer_is_needed_by_an_edge_that_works_alone(place):
    assert peer.check_peer(place(cloud=None).config).state == "ok"
