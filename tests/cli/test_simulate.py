"""Output and errors of `mc-sched simulate` and `mc-sched replay`."""

import json
import subprocess
import sys

import pytest

from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import load_scenario
from mc_sched.sim.world import simulate

SCENARIO = """\
seed: 3
edges:
  - stream: {tasks: 40, deadline: 150ms, jpeg: 8kB}
    device: {noise: 0.1}
"""


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path, scenario):
    """Event log of the edge in SCENARIO."""
    read = load_scenario(scenario)
    world = world_of(read, read.own_tables())
    path = tmp_path / "edge.jsonl"
    with path.open("w") as file:
        writer = EventLog(None, "edge")
        writer.subscribe(lambda record: file.write(json.dumps(record) + "\n"))
        config = {"settings": world.edges[0].settings, "table": world.edges[0].table}
        writer.write(0, "config", config)

        def record(node, event, actions):
            if node == "edge":
                writer.write(event.now_ns, "event", event)
                for action in actions:
                    writer.write(event.now_ns, "action", action)

        simulate(world, lambda edge, result: None, record)
    return path


# --- simulate -----------------------------------------------------------------------------------


def test_json_is_the_summary_of_live_runs(run, scenario):
    ran = run("simulate", scenario, "--output", "json")
    summary = json.loads(ran.out)
    assert ran.code == 0
    assert summary.keys() == summarise([], RunInfo("", "", "", 0)).keys()
    assert (summary["tasks"], summary["policy"], summary["link"]) == (40, "mc", "wifi")
    assert summary["e3_counts"] == "correct"


def test_the_same_command_prints_the_same(run, scenario):
    first, again, other = (
        run("simulate", scenario, "--output", "json", "--seed", seed).out for seed in "778"
    )
    assert first == again != other


def test_options_come_before_the_scenario(run, scenario):
    options = (
        "--policy",
        "edge-only",
        "--mode",
        "performance",
        "--tasks",
        "7",
        "--deadline",
        "30ms",
    )
    summary = json.loads(run("simulate", scenario, *options, "--output", "json").out)
    assert (summary["policy"], summary["mode"], summary["tasks"]) == ("edge-only", "performance", 7)
    assert summary["outcomes"]["refused"] == 7  # CaffeNet takes 35.6 ms


def test_people_get_a_table_and_progress_is_on_stderr(run, scenario):
    ran = run("simulate", scenario)
    assert "40: " in ran.out
    assert "simulating: 40 of 40" in ran.err


def test_several_groups_have_a_summary_each(run, tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text("edges: [{name: a, stream: {tasks: 5}}, {name: b, stream: {tasks: 6}}]")
    summary = json.loads(run("simulate", path, "--output", "json").out)
    assert summary["tasks"] == 11
    assert {name: part["tasks"] for name, part in summary["groups"].items()} == {"a": 5, "b": 6}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tasks", "0"), "--tasks 0 is out of range; choose 1 or more"),
        (("--accuracy", "2"), "--accuracy 2.0 is out of range"),
        (("--deadline", "2m"), "--deadline must be above 0 and at most 60s"),
    ],
)
def test_options_out_of_range_are_usage_errors(run, scenario, options, message):
    ran = run("simulate", scenario, *options)
    assert (ran.code, message in ran.err) == (2, True)


def test_a_scenario_that_is_wrong_is_a_sentence(run, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("edges:\n  - stream: {deadline: 84 fortnights}\n")
    ran = run("simulate", path)
    assert ran.code == 1
    assert ran.err.startswith(f"mc-sched: {path}, line 2: key 'edges.0.stream.deadline'")


def test_a_bundle_without_a_profile_is_an_error_with_the_command_to_make_one(run, tmp_path):
    path = tmp_path / "bundle.yaml"
    path.write_text(f"bundle: {{name: set-a, edge_profile: {tmp_path}/none.json}}\n")
    ran = run("simulate", path)
    assert (ran.code, "`mc-sched profile set-a`" in ran.err) == (1, True)


def test_neither_torch_nor_grpc_is_loaded(scenario, log):
    program = (
        "import sys; from mc_sched.cli.main import main\n"
        f"assert main(['simulate', {str(scenario)!r}]) == 0\n"
        f"assert main(['replay', {str(log)!r}, '--policy', 'server']) == 0\n"
        "print({'torch', 'grpc', 'torchvision'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "set()"


# --- replay -------------------------------------------------------------------------------------


def test_a_log_replays_to_the_letter(run, log):
    ran = run("replay", log, "--output", "json")
    report = json.loads(ran.out)
    assert (ran.code, report["first_difference"]) == (0, None)
    assert report["events_agreed"] == report["events"] > 100
    assert report["actions_agreed"] == report["actions"] > 100


def test_people_get_a_sentence(run, log):
    assert run("replay", log).out.startswith(f"{log}: ")


def test_the_first_difference_is_shown_with_its_line(run, log):
    lines = log.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"Finish"' in line)
    event = max(i for i in range(at) if '"kind": "event"' in lines[i])
    lines[at] = lines[at].replace('"latency_ns": ', '"latency_ns": 9')
    log.write_text("\n".join(lines) + "\n")
    ran = run("replay", log)
    assert ran.code == 1
    assert f"first difference at line {event + 1}: " in ran.out


def test_other_rules_stand_beside_what_happened(run, log):
    ran = run("replay", log, "--policy", "edge-only", "--deadline", "30ms", "--output", "json")
    replayed = json.loads(ran.out)
    assert ran.code == 0
    assert (
        replayed["recorded"]["tasks"]
        == replayed["what_if"]["tasks"]
        == replayed["resimulated"]["tasks"]
        == 40
    )
    assert replayed["recorded"]["outcomes"]["refused"] == 0
    assert replayed["what_if"]["outcomes"]["refused"] == 40
    assert replayed["what_if"]["e3_counts"] == replayed["recorded"]["e3_counts"] == "expected"
    table = run("replay", log, "--policy", "edge-only").out
    assert "simulated, new rules" in table


def test_a_cut_last_line_is_a_warning(run, log):
    log.write_text(log.read_text()[:-30])
    for options in ((), ("--policy", "server")):
        ran = run("replay", log, *options)
        assert ran.code == 0
        assert "mc-sched: warning: " in ran.err
        assert "incomplete" in ran.err


def test_missing_actions_of_the_last_event_are_a_warning(run, log):
    lines = log.read_text().splitlines(keepends=True)
    finish = max(at for at, line in enumerate(lines) if '"Finish"' in line)
    event = max(at for at in range(finish) if '"kind": "event"' in lines[at])
    log.write_text("".join(lines[:finish]))
    ran = run("replay", log)
    assert ran.code == 0
    assert ran.err.startswith(f"mc-sched: warning: line {event + 1}: the log ends before the last")
    assert ran.err.count("\n") == 1
    replayed = json.loads(run("replay", log, "--output", "json").out)
    assert replayed["events"] == replayed["events_agreed"]
    assert replayed["actions"] == replayed["actions_agreed"]


@pytest.mark.parametrize("options", [(), ("--mode", "performance")])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 3 is not JSON"),
        ("5", "line 3: not a record"),
        ('{"kind": "event", "node": "edge", "name": "Teleported", "data": {}}',
         "line 3: this version has no event or action 'Teleported'"),
        ('{"kind": "event", "node": "edge", "name": "Drain", "data": {"now_ns": 1, "why": 2}}',
         "line 3: Drain has a field 'why' that this version lacks"),
        ('{"kind": "event", "node": "edge", "name": "Drain", "data": {"now_ns": "soon"}}',
         "line 3: field now_ns"),
        ('{"kind": "gossip"}', "line 3: an event log has no records of kind 'gossip'"),
    ],
)  # fmt: skip
def test_a_broken_line_or_another_versions_is_an_error_with_its_line(
    run, log, options, line, message
):
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    ran = run("replay", log, *options)
    assert ran.code == 1
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_a_log_of_another_format_names_both(run, log):
    text = log.read_text().replace('"data": {"settings"', '"data": {"format": 99, "settings"', 1)
    log.write_text(text)
    ran = run("replay", log)
    assert (
        ran.code,
        "line 1: the log has format 99, but this version reads format 3" in ran.err,
    ) == (1, True)


def test_a_missing_log_is_a_sentence(run, tmp_path):
    ran = run("replay", tmp_path / "none.jsonl")
    assert (ran.code, "cannot be read" in ran.err) == (1, True)
