"""Two booted nodes with the services as installed: their work, and access to them."""

import json
import sys
import time
from datetime import timedelta

import pytest

from mc_sched import certs
from tests.system.nodes import REPO, sh
from tests.system.two_nodes import PATIENT, all_succeed, reloaded, sites, the_cloud_is_used

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
FIRST_IMAGE_S = 30.0
DYNAMIC_UIDS = range(61184, 65520)
"""User ids of DynamicUser (systemd.exec(5))."""


# --- as installed ------------------------------------------------------------------------------


def test_booted_nodes_classify_their_first_image_within_30_s(booted):
    print(f"first image after {booted.first_image_s:.1f} s")
    assert booted.first_image_s < FIRST_IMAGE_S


def test_the_services_run_under_their_units(two):
    for node in two.nodes:
        assert node.unit_property("Type") == "notify"
        assert node.unit_property("WatchdogUSec") == "30s"
        assert node.unit_property("DynamicUser") == "yes"
        uid = int(node.sh("ps", "-o", "uid=", "-p", node.unit_property("MainPID")))
        assert uid in DYNAMIC_UIDS
        key = node.sh("stat", "-c", "%a %U", "/etc/mc-sched/tls/node.key").split()
        assert key == ["600", "root"]


def test_frames_go_to_the_cloud_over_mutual_tls(two):
    rows = two.stream("tls", 8).rows()
    all_succeed(rows)
    assert sites(rows)["cloud"] >= 6
    assert two.edge.status()["certificate_expires_s"] > time.time()


def test_the_doctor_finds_both_nodes_in_good_health(two):
    """Its warnings are due to the test: no clock service, no power sensor in a container, and no
    stored profile if both nodes measured theirs at once on a machine too small for that."""
    for node in two.nodes:
        printed = json.loads(node.sh("mc-sched", "doctor", "--output", "json"))
        found = {check["name"]: check for check in printed["checks"]}
        worse = {name for name, check in found.items() if check["state"] != "ok"}
        assert worse <= {"clock", "power", "profile"}, [found[name] for name in worse]
        assert found["unit"]["facts"]["ActiveState"] == "active"
        assert found["certificate"]["facts"]["name"] == node.kind
    assert "rtt_ms" in found["peer"]["facts"]


def test_a_reload_changes_what_can_change_and_names_the_rest(two):
    with reloaded(two.edge, "mode: performance\nthreads: 2\n"):
        assert two.edge.status()["mode"] == "performance"
        journal = two.edge.journal()
        assert "reloaded: mode energy -> performance" in journal
        assert "needs a restart: threads 1 -> 2" in journal
    assert two.edge.status()["mode"] == "energy"


def test_the_journals_find_a_task_on_both_nodes_by_its_trace(two):
    def logged(node, field):
        lines = node.sh("journalctl", "--no-pager", "-o", "json", field).splitlines()
        return [json.loads(line) for line in lines]

    with reloaded(two.edge, "log_level: debug\n"), reloaded(two.cloud, "log_level: debug\n"):
        rows = two.stream("journal", 4).rows()
    all_succeed(rows)
    task_id = next(row["task_id"] for row in rows if row["site"] == "cloud")
    (on_the_edge,) = logged(two.edge, f"TASK_ID={task_id}")
    assert on_the_edge["MESSAGE"].startswith(f"mc-edge-agent: task {task_id}: succeeded")
    assert on_the_edge["_SYSTEMD_UNIT"] == two.edge.unit
    (on_the_cloud,) = logged(two.cloud, f"TRACE_ID={on_the_edge['TRACE_ID']}")
    assert on_the_cloud["TASK_ID"].endswith(f"/{task_id}")


# --- access ------------------------------------------------------------------------------------

CALL = """
import asyncio, sys
from pathlib import Path
import grpc
from mc_proto.v1 import cloud_pb2, cloud_pb2_grpc

async def call(ca, cert="", key=""):
    pair = [Path(name).read_bytes() if name else None for name in (key, cert)]
    credentials = grpc.ssl_channel_credentials(Path(ca).read_bytes(), *pair)
    async with grpc.aio.secure_channel("10.77.0.1:7071", credentials) as channel:
        stub = cloud_pb2_grpc.CloudAgentStub(channel)
        try:
            await stub.Describe(cloud_pb2.DescribeRequest(), timeout=10)
            print("OK")
        except grpc.aio.AioRpcError as error:
            print(error.code().name)

asyncio.run(call(*sys.argv[1:]))
"""


def call_as(two, *files):
    """Return the cloud agent's answer to a caller on the edge node with these certificates."""
    python = (sys.executable, "-c", CALL, two.certs / "ca.crt", *files)
    return sh("ip", "netns", "exec", two.edge.netns, *python, cwd=REPO).strip()


def pair(folder):
    return folder / "node.crt", folder / "node.key"


def test_strangers_are_refused_and_the_journal_has_the_reason(two, tmp_path, monkeypatch):
    certs.make_authority(tmp_path / "other")
    alien = certs.make_node(tmp_path / "other", "edge", [])
    stranger = certs.make_node(two.certs, "stranger", [])
    monkeypatch.setattr(certs, "CLOCK_SLACK", timedelta(days=3))
    late = certs.make_node(two.certs, "late", [], days=-1)
    assert call_as(two, *pair(two.certs / "edge")) == "OK"
    for files, answer, says in (
        ((), "UNAVAILABLE", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        (pair(alien), "UNAVAILABLE", "unable to get local issuer certificate"),
        (pair(late), "UNAVAILABLE", "certificate has expired"),
        (pair(stranger), "PERMISSION_DENIED", "stranger was refused"),
    ):
        assert says not in two.cloud.journal()
        assert call_as(two, *files) == answer
        assert says in two.cloud.journal()


def test_certificates_are_rotated_while_frames_come(two):
    """Restarting the cloud loses no frame, nor does the edge if the stream waits for it."""
    before = two.edge.status()["certificate_expires_s"]
    stream = two.stream("rotate", 120, **PATIENT)
    time.sleep(1.1)  # expiry has a resolution of seconds
    two.make_certificates()
    for node in two.nodes:
        node.sh("systemctl", "restart", node.unit)
    all_succeed(stream.rows())
    two.wait_until_ready()
    assert two.edge.status()["certificate_expires_s"] > before
    assert the_cloud_is_used(two)
