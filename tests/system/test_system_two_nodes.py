"""Two whole nodes, booted, with the services as people install them; then one fault after another.

Each test says what stays true while something breaks: every submitted frame has exactly one
outcome (`Stream.rows` checks it), frames that the local net can serve succeed while the cloud is
away, and the service comes back without a hand.
"""

import contextlib
import json
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from nodes import REPO, TwoNodes, obstacle, sh, until, wheel

from mc_sched import certs
from mc_sched.obs.event_log import read_log
from mc_sched.obs.replay import replay

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(reason := obstacle()), reason=f"no nodes can be booted: {reason}"),
]
FIRST_IMAGE_S = 30.0
STOP_S = 20.0
DYNAMIC_UIDS = range(61184, 65520)
"""Of DynamicUser (systemd.exec(5))."""
PATIENT = {"reconnect": "90s"}
"""A stream that outlasts a restart of the edge agent."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, frame_folder):
    """Both nodes, booted; `first_image_s` is how long the first frame took from there."""
    two = TwoNodes(tmp_path_factory.mktemp("nodes"), frame_folder)
    try:
        two.make()
        for node in two.nodes:
            node.boot()
        start = time.monotonic()
        for node in two.nodes:
            until(lambda node=node: node.serves, what=f"{node.kind}: {node.journal()[-1500:]}")
        rows = two.stream("first", 1).rows()
        two.first_image_s = time.monotonic() - start
        assert kinds(rows) == {"succeeded": 1}
        yield two
    finally:
        two.unmake()


@pytest.fixture
def two(deployment):
    """The same, whole again."""
    deployment.whole()
    return deployment


def kinds(rows):
    return Counter(row["kind"] for row in rows)


def sites(rows):
    return Counter(row["site"] for row in rows)


def all_succeed(rows):
    unhappy = [(row["kind"], row["reason"]) for row in rows if row["kind"] != "succeeded"]
    assert unhappy == []


def the_cloud_is_used(two):
    """Whether frames go to the cloud again, as they do when all is well."""
    rows = two.stream(f"try-{time.monotonic_ns()}", 4).rows()
    all_succeed(rows)
    return sites(rows)["cloud"]


@contextlib.contextmanager
def reloaded(node, more):
    """The node's agent has these keys as well, for a while."""
    kept = (node.root / f"etc/mc-sched/{node.kind}.yaml").read_text()
    for text in (kept + more, kept):
        reloads = node.journal().count("reloaded: ")
        node.configure(text)
        node.sh("systemctl", "reload", node.unit)
        until(lambda before=reloads: node.journal().count("reloaded: ") > before, what="a reload")
        if text != kept:
            yield


# --- as installed ------------------------------------------------------------------------------


def test_booted_nodes_classify_their_first_image_within_30_s(deployment):
    print(f"first image after {deployment.first_image_s:.1f} s")
    assert deployment.first_image_s < FIRST_IMAGE_S


def test_the_services_run_under_their_units(two):
    for node in two.nodes:
        assert node.shows("Type") == "notify"
        assert node.shows("WatchdogUSec") == "30s"
        assert node.shows("DynamicUser") == "yes"
        uid = int(node.sh("ps", "-o", "uid=", "-p", node.shows("MainPID")))
        assert uid in DYNAMIC_UIDS
        key = node.sh("stat", "-c", "%a %U", "/etc/mc-sched/tls/node.key").split()
        assert key == ["600", "root"]


def test_frames_go_to_the_cloud_over_mutual_tls(two):
    rows = two.stream("tls", 8).rows()
    all_succeed(rows)
    assert sites(rows)["cloud"] >= 6
    assert two.edge.status()["certificate_expires_s"] > time.time()


def test_the_doctor_finds_both_nodes_in_good_health(two):
    """What it warns of is the test's doing: no clock service, no power sensor in a container, and
    no profile kept if both nodes measured theirs at once on a machine too small for that."""
    for node in two.nodes:
        said = json.loads(node.sh("mc-sched", "doctor", "--output", "json"))
        found = {check["name"]: check for check in said["checks"]}
        worse = {name for name, check in found.items() if check["state"] != "ok"}
        assert worse <= {"clock", "power", "profile"}, [found[name] for name in worse]
        assert found["unit"]["facts"]["ActiveState"] == "active"
        assert found["certificate"]["facts"]["name"] == node.kind
    assert "rtt_ms" in found["peer"]["facts"]


def test_a_reload_changes_what_can_change_and_names_the_rest(two):
    with reloaded(two.edge, "mode: performance\nthreads: 2\n"):
        assert two.edge.status()["mode"] == "performance"
        said = two.edge.journal()
        assert "reloaded: mode energy -> performance" in said
        assert "needs a restart: threads 1 -> 2" in said
    assert two.edge.status()["mode"] == "energy"


# --- who gets in -------------------------------------------------------------------------------

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
    """How the cloud agent answers a caller on the edge node who shows these certificates."""
    python = (sys.executable, "-c", CALL, two.certs / "ca.crt", *files)
    return sh("ip", "netns", "exec", two.edge.netns, *python, cwd=REPO).strip()


def pair(folder):
    return folder / "node.crt", folder / "node.key"


def test_strangers_are_refused_and_the_journal_says_why(two, tmp_path, monkeypatch):
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
    """The cloud's restart costs no frame; the edge's none either, if the stream waits for it."""
    before = two.edge.status()["certificate_expires_s"]
    stream = two.stream("rotate", 120, **PATIENT)
    time.sleep(1.1)  # expiry is told in seconds
    two.make_certificates()
    for node in two.nodes:
        node.sh("systemctl", "restart", node.unit)
    all_succeed(stream.rows())
    two.whole()
    assert two.edge.status()["certificate_expires_s"] > before
    assert the_cloud_is_used(two)


# --- the link ----------------------------------------------------------------------------------


def test_while_the_cable_is_out_the_edge_serves_alone(two):
    stream = two.stream("cut", 40)
    two.set_link("down")
    time.sleep(5)
    two.set_link("up")
    rows = stream.rows()
    all_succeed(rows)
    assert sites(rows)["edge"]
    two.whole()
    assert until(lambda: the_cloud_is_used(two))


def test_over_a_slow_link_every_frame_is_in_time(two):
    stream = two.stream("slow", 40)
    two.shape("200kbit")
    try:
        all_succeed(stream.rows())
    finally:
        two.shape("20mbit")
    two.whole()
    assert until(lambda: the_cloud_is_used(two))


# --- the agents --------------------------------------------------------------------------------


def test_a_killed_cloud_agent_costs_no_frame(two):
    stream = two.stream("kill-cloud", 60)
    killed = two.cloud.signal("KILL")
    rows = stream.rows()
    all_succeed(rows)
    assert sites(rows)["edge"]
    two.cloud.comes_back(killed)
    two.whole()
    assert until(lambda: the_cloud_is_used(two))


def test_a_killed_edge_agent_costs_the_frames_under_way(two):
    stream = two.stream("kill-edge", 60, **PATIENT)
    killed = two.edge.signal("KILL")
    rows = stream.rows()
    lost = [row for row in rows if row["kind"] == "failed"]
    assert kinds(rows)["succeeded"] == len(rows) - len(lost)
    assert len(lost) <= 4
    assert all("the edge agent was lost" in row["reason"] for row in lost)
    two.edge.comes_back(killed)


def test_a_cloud_agent_that_hangs_is_restarted_and_costs_no_frame(two):
    stream = two.stream("hang-cloud", 60)
    hung = two.cloud.signal("STOP")
    all_succeed(stream.rows())
    two.cloud.comes_back(hung)
    assert "Watchdog timeout" in two.cloud.journal()


def test_an_edge_agent_that_hangs_is_restarted_and_costs_the_frames_under_way(two):
    """It took frames in for as long as the connection stood; those have failed, no other."""
    stream = two.stream("hang-edge", 60, fps=1, **PATIENT)
    hung = two.edge.signal("STOP")
    two.edge.comes_back(hung)
    assert "Watchdog timeout" in two.edge.journal()
    rows = stream.rows()
    assert set(kinds(rows)) <= {"succeeded", "failed"}
    assert kinds(rows)["succeeded"] >= 20
    reasons = {row["reason"] for row in rows if row["kind"] == "failed"}
    assert all("the edge agent was lost" in reason for reason in reasons)


@pytest.mark.parametrize("kind", ["cloud", "edge"])
def test_stopping_an_agent_under_load_ends_within_20_s_and_loses_no_task(two, kind):
    node = getattr(two, kind)
    stream = two.stream(f"stop-{kind}", 60, fps=8, **PATIENT)
    start = time.monotonic()
    node.sh("systemctl", "stop", node.unit)
    took_s = time.monotonic() - start
    print(f"{kind}: stopped in {took_s:.1f} s")
    assert took_s < STOP_S
    assert node.shows("Result") == "success"
    node.sh("systemctl", "start", node.unit)
    all_succeed(stream.rows())


def test_a_full_disk_costs_log_lines_and_no_frame(two):
    """Not even a restart with a full disk is stopped by it."""
    fill = "cat /dev/zero > /var/lib/private/mc-sched/fill 2>/dev/null; sync; df /var/lib/private"
    assert "100%" in two.edge.sh("sh", "-c", fill)
    try:
        two.edge.sh("systemctl", "restart", two.edge.unit)
        two.whole()
        all_succeed(two.stream("full", 20, logged=False).rows())
        dropped = until(lambda: two.edge.status()["log_dropped"], what="a dropped line")
        assert dropped > 0
    finally:
        two.edge.sh("rm", "/var/lib/private/mc-sched/fill")
    before = two.edge.logged("Finish")
    all_succeed(two.stream("room", 4).rows())
    assert two.edge.logged("Finish") > before


# --- whole nodes -------------------------------------------------------------------------------


def test_while_the_cloud_node_reboots_the_edge_serves_alone(two):
    stream = two.stream("reboot-cloud", 60)
    two.cloud.reboot()
    rows = stream.rows()
    all_succeed(rows)
    assert sites(rows)["edge"]
    two.whole()
    assert until(lambda: the_cloud_is_used(two))


def test_a_cloud_node_without_power_comes_back_by_itself(two):
    stream = two.stream("power-cloud", 40)
    two.cloud.cut_power()
    all_succeed(stream.rows())
    two.cloud.boot()
    two.whole()
    assert until(lambda: the_cloud_is_used(two))


def test_an_edge_node_that_reboots_has_answered_every_task_that_it_took(two):
    """Its log has exactly one outcome for each, and the agent serves again."""
    begun_ns = time.monotonic_ns()
    stream = two.stream("reboot-edge", 200, fps=8)
    two.edge.reboot()
    stream.leave()
    two.whole()
    records = [r for r in read_log(two.edge.event_log) if r["t_ns"] > begun_ns]
    taken = [r["task_id"] for r in records if r["name"] == "Submitted"]
    ended = [r["task_id"] for r in records if r["name"] == "Finish"]
    assert taken
    assert sorted(taken) == sorted(ended)


# --- the next version --------------------------------------------------------------------------


def test_an_upgrade_while_frames_come_costs_none_beyond_those_under_way(two):
    built = wheel(two.directory, "0.1.1")
    (two.shared / built.name).write_bytes(built.read_bytes())
    configs = {node: node.sh("cat", f"/etc/mc-sched/{node.kind}.yaml") for node in two.nodes}
    two.edge.sh("touch", "/var/lib/private/mc-sched/mine")
    stream = two.stream("upgrade", 200, **PATIENT)
    for node in two.nodes:
        options = ("--packages", "/opt/packages", "--wheel", f"/run/shared/{built.name}")
        node.sh("/opt/source/scripts/install-node", node.kind, *options)
    rows = stream.rows()
    lost = [row for row in rows if row["kind"] != "succeeded"]
    print(f"upgrade: {len(lost)} of {len(rows)} not succeeded: {kinds(rows)}")
    assert len(lost) <= 4
    assert set(kinds(lost)) <= {"failed"}
    two.whole()
    assert two.edge.status()["version"] == "0.1.1"
    for node in two.nodes:
        assert node.sh("cat", f"/etc/mc-sched/{node.kind}.yaml") == configs[node]
    assert "mine" in two.edge.sh("ls", "/var/lib/private/mc-sched").split()


def test_the_event_logs_replay_to_the_letter(two):
    """A reload among them: it is an event like any other."""
    with (
        reloaded(two.edge, "quantile: 0.8\nmax_uploads: 1\n"),
        reloaded(two.cloud, "quantile: 0.8\n"),
    ):
        all_succeed(two.stream("reloaded", 20).rows())
    all_succeed(two.stream("reloaded-again", 20).rows())
    for node in two.nodes:
        copy = two.directory / f"{node.kind}.jsonl"
        copy.write_bytes(node.event_log.read_bytes())
        since_ns = [r["t_ns"] for r in read_log(copy) if r["name"] == "config"][-1]
        steps = list(replay(r for r in read_log(copy) if r["t_ns"] >= since_ns))
        events = Counter(type(step.event).__name__ for step in steps)
        assert events["EdgeReconfigured"] + events["CloudReconfigured"] == 2
        assert [step for step in steps if not step.same] == []


def test_uninstalling_keeps_configuration_and_state(two):
    two.cloud.sh("/opt/source/scripts/install-node", "cloud", "--uninstall")
    assert two.cloud.shows("LoadState") == "not-found"
    assert "mc-sched" not in two.cloud.sh("ls", "/opt").split()
    assert "mc-sched" not in two.cloud.sh("ls", "/usr/local/bin").split()
    assert "cloud.yaml" in two.cloud.sh("ls", "/etc/mc-sched").split()
    assert "events.jsonl" in two.cloud.sh("ls", "/var/lib/private/mc-sched").split()
