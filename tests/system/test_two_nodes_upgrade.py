"""The last tests of two nodes: an upgrade, replays of their logs, and uninstalling."""

from collections import Counter

import pytest

from mc_sched.obs.log.event_log import read_log
from mc_sched.obs.replay import replay
from tests.system.nodes import wheel
from tests.system.two_nodes import PATIENT, all_succeed, kinds, reloaded

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


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
    two.wait_until_ready()
    assert two.edge.status()["version"] == "0.1.1"
    for node in two.nodes:
        assert node.sh("cat", f"/etc/mc-sched/{node.kind}.yaml") == configs[node]
    assert "mine" in two.edge.sh("ls", "/var/lib/private/mc-sched").split()


def test_the_event_logs_replay_to_the_letter(two):
    """The logs contain a reload, which is an event like any other."""
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
    assert two.cloud.unit_property("LoadState") == "not-found"
    assert "mc-sched" not in two.cloud.sh("ls", "/opt").split()
    assert "mc-sched" not in two.cloud.sh("ls", "/usr/local/bin").split()
    assert "cloud.yaml" in two.cloud.sh("ls", "/etc/mc-sched").split()
    assert "events.jsonl" in two.cloud.sh("ls", "/var/lib/private/mc-sched").split()
