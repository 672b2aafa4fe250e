"""Scenarios are checked before anything runs; what is wrong is named with its line."""

from pathlib import Path

import pytest

from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import Mode
from mc_sched.errors import UserError
from mc_sched.link.model import KINDS, TraceRate
from mc_sched.link.varying import SteppedRate
from mc_sched.sim.build import world_of
from mc_sched.sim.paper_networks import CAFFENET_NS, SET_A, SET_B, SETS
from mc_sched.sim.scenario import Scenario, load_scenario

SCENARIOS = Path(__file__).parents[3] / "configs" / "scenarios"
TABLES = """\
tables:
  local: {name: small, accuracy: 0.8, layers: [{ops: 10, time: 5ms}, {ops: 0, time: 1ms}]}
  cloud:
    stages: [4ms, 4ms]
    exits:
      - {name: early, stage: 0, head: 1ms, accuracy: {jpeg: 0.7}}
      - {name: last, stage: 1, head: 1ms, accuracy: {jpeg: 0.9}}
"""


def loaded(tmp_path, text):
    file = tmp_path / "some.yaml"
    file.write_text(text, encoding="utf-8")
    return load_scenario(file)


def built(tmp_path, text):
    scenario = loaded(tmp_path, text)
    return world_of(scenario, scenario.own_tables(), tmp_path)


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_makes_a_world(path):
    scenario = load_scenario(path)
    world = world_of(scenario, scenario.own_tables(), path.parent)
    assert len(world.edges) == sum(group.count for group in scenario.edges)
    assert next(world.edges[0].arrivals()).deadline_ns > 0


def test_an_empty_scenario_is_one_edge_over_wifi(tmp_path):
    (edge,) = built(tmp_path, "").edges
    assert (edge.radio_link.link.up, edge.table) == (KINDS["wifi"].up, SET_A[0])


def test_a_link_brings_the_radio_of_its_kind(tmp_path):
    (edge,) = built(tmp_path, "edges: [{link: {kind: 3g}}]").edges
    assert edge.settings.energy.radio == RADIOS["3g"]


def test_a_cloud_agent_has_the_settings_of_its_group(tmp_path):
    text = "clouds: [{max_tasks: 9, max_batch: 4, decoders: 3, credits: false}, {}]"
    given, default = (cloud.settings for cloud in built(tmp_path, text).clouds)
    assert given == CloudSettings(max_tasks=9, max_batch=4, decoders=3, credits=False)
    assert default == CloudSettings()


BATCHED = TABLES.replace(
    "    stages: [4ms, 4ms]\n",
    "    stages: [4ms, 4ms]\n    batches: {8: [16ms, 12ms], 2: [5ms, 6ms]}\n",
)


def test_tables_may_have_times_by_batch(tmp_path):
    (cloud,) = built(
        tmp_path, BATCHED.replace("head: 1ms", "head: 1ms, head_batches: {2: 1ms, 8: 3ms}")
    ).clouds
    table = cloud.table
    assert table.batch_sizes == (1, 2, 8)
    assert [table.stage_time_ns(1, size) / 1e6 for size in (1, 2, 8)] == [4, 6, 12]
    assert [table.head_time_ns(table.exits[0], size) / 1e6 for size in (1, 2, 8)] == [1, 1, 3]
    (cloud,) = built(tmp_path, BATCHED).clouds
    assert cloud.table.head_time_ns(cloud.table.exits[0], 8) / 1e6 == 8
    (cloud,) = built(tmp_path, TABLES).clouds
    assert (cloud.table.batch_sizes, cloud.table.stage_batch_ns) == ((1,), ())


def test_a_stream_may_begin_after_the_agents(tmp_path):
    edges = built(tmp_path, "edges: [{count: 2, stream: {start: 3s, fps: 10}}]").edges
    first = [next(edge.arrivals()).submitted_ns for edge in edges]
    assert first == [3_000_000_000, 3_050_000_000]


@pytest.mark.parametrize(("noise_per", "together"), [("piece", False), ("task", True)])
def test_a_tasks_pieces_deviate_one_by_one_or_together(tmp_path, noise_per, together):
    quantiles = "{p5: 0.9, p25: 0.95, p50: 1, p75: 1.1, p95: 1.5}"
    device = f"{{quantiles: {quantiles}, noise_per: {noise_per}}}"
    (edge,) = built(tmp_path, f"edges: [{{device: {device}}}]").edges
    noise = edge.device.noise
    assert (len({noise.factor(7, piece) for piece in range(50)}) == 1) is together
    assert len({noise.factor(task, 0) for task in range(50)}) > 40


def test_networks_may_be_given_as_tables(tmp_path):
    world = built(tmp_path, TABLES)
    assert world.edges[0].table.layer_ns == (5_000_000, 1_000_000)
    assert world.clouds[0].table.exit_names == ("early", "last")


def test_a_group_is_unrolled_over_the_clouds_and_its_frames_are_spread(tmp_path):
    world = built(tmp_path, "edges: [{name: c, count: 4, stream: {fps: 10}}]\nclouds: [{count: 2}]")
    assert [edge.edge_id for edge in world.edges] == ["c-0", "c-1", "c-2", "c-3"]
    assert [edge.cloud for edge in world.edges] == [0, 1, 0, 1]
    starts = [next(edge.arrivals()).submitted_ns for edge in world.edges]
    assert starts == [0, 25_000_000, 50_000_000, 75_000_000]


def test_a_stream_can_be_played_again(tmp_path):
    text = "edges: [{stream: {arrivals: poisson, size_dispersion: 0.3, tasks: 20}}]"
    (edge,) = built(tmp_path, text).edges
    assert list(edge.arrivals()) == list(edge.arrivals())


def test_traces_are_found_beside_the_scenario(tmp_path):
    (tmp_path / "a.up").write_text("0\n1\n2\n")
    (edge,) = built(tmp_path, "edges: [{link: {up_trace: a.up}}]").edges
    assert isinstance(edge.radio_link.link.up, TraceRate)


def test_both_directions_fade_together(tmp_path):
    (edge,) = built(tmp_path, "edges: [{link: {kind: 4g, fading: {hold: 1s}}}]").edges
    up, down = edge.radio_link.link.up, edge.radio_link.link.down
    assert isinstance(up, SteppedRate)
    assert up.starts_ns == down.starts_ns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds: 1\n", "line 1: unknown key 'seeds'; did you mean 'seed'?"),
        ("seed: 1\nedges:\n  - nmae: a\n", "line 3: unknown key 'edges.0.nmae'; did you mean"),
        (
            "edges:\n  - name: a\n  - name: b\n    stream:\n      deadlin: 5ms\n",
            "line 5: unknown key 'edges.1.stream.deadlin'; did you mean 'deadline'?",
        ),
        ("edges:\n  - stream:\n      deadline: 84\n", "line 3: key 'edges.0.stream.deadline'"),
        ("edges:\n  - stream:\n      deadline: 84 parsec\n", "the unknown unit 'parsec'"),
        ("edges:\n  - stream: {jpeg: 16}\n", "line 2: key 'edges.0.stream.jpeg', value 16"),
        ("edges:\n  - stream: {jpeg: 16kb}\n", "the unknown unit 'kb'; use one of B, kB, MB"),
        ("edges:\n  - link: {up: 5}\n", "'5' has no unit; use one of bps, kbps, Mbps, Gbps"),
        ("edges:\n  - link: {up: 5mbps}\n", "the unknown unit 'mbps'"),
        ("edges:\n  - link: {up: fast}\n", "'fast' is not a valid rate"),
        ("edges:\n  - link: {up: 5Mbps, up_trace: x}\n", "set either up or up_trace"),
        ("edges:\n  - link: {kind: 5g}\n", "line 2: key 'edges.0.link.kind', value '5g'"),
        ("edges:\n  - link: {fading: {levels: [0, 0]}}\n", "levels are shares"),
        ("edges:\n  - policy: best\n", "must be one of mc, "),
        (
            "edges:\n  - device: {noise: 0.1, quantiles: {p50: 1}}\n",
            "set either noise or quantiles",
        ),
        ("edges:\n  - device: {quantiles: {p50: 2, p95: 1}}\n", "rise from p5 to p99"),
        ("edges:\n  - cloud: 3\n", "uses cloud agent 3, but the scenario has 1"),
        ("edges:\n  - {name: a}\n  - {name: a}\n", "two edge groups have the same name"),
        ("networks: paper-c\n", "line 1: key 'networks', value 'paper-c'"),
        (f"networks: paper-a\n{TABLES}", "set only one of networks, tables and bundle"),
        (TABLES.replace("stage: 1", "stage: 7"), "stage 7 of exit last does not exist"),
        (
            TABLES.replace("{jpeg: 0.9}", "{webp: 0.9}"),
            "uses the codec webp, which is not under codecs",
        ),
        (BATCHED.replace("[5ms, 6ms]", "[5ms]"), "with one time for each of the 2 stages"),
        (BATCHED.replace("2: [", "1: ["), "must be a size from 2"),
        (
            BATCHED.replace("head: 1ms", "head: 1ms, head_batches: {4: 1ms}"),
            "head_batches of exit early must have the sizes that batches has",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(tmp_path, text, says):
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'some.yaml'}, line ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("trace", "says"),
    [
        ("0\n1\nfast\n", "a.up, line 3: 'fast' is not an integer"),
        ("0\n5\n3\n", "a.up, line 3: time decreases from 5 to 3"),
        ("", "a.up: the trace is empty"),
        (None, "cannot read the trace"),
    ],
)
def test_a_trace_that_cannot_be_used_is_named_with_its_line(tmp_path, trace, says):
    if trace is not None:
        (tmp_path / "a.up").write_text(trace)
    with pytest.raises(UserError, match=says):
        built(tmp_path, "edges: [{link: {up_trace: a.up}}]")


def test_modes_are_read_as_words():
    assert Scenario.model_validate({"edges": [{"mode": "performance"}]}).edges[0].mode is (
        Mode.PERFORMANCE
    )


# --- the paper's class --------------------------------------------------------------------------


def test_caffenet_takes_the_time_of_the_case_study():
    assert SET_A[0].total_ns == pytest.approx(CAFFENET_NS, abs=10)
    assert sum(SET_A[0].layer_ops) == pytest.approx(724e6, rel=0.01)
    assert sum(SET_B[0].layer_ops) == pytest.approx(1.1e9, rel=0.01)


@pytest.mark.parametrize("tables", SETS.values(), ids=SETS)
def test_deeper_exits_are_better_and_later(tables):
    local, cloud = tables
    accuracies = [exit_.accuracy["jpeg"] for exit_ in cloud.exits]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] >= local.accuracy + 0.08
    assert sum(accuracy >= 0.75 for accuracy in accuracies) == 3
    assert len(cloud.exits) == len(cloud.stage_ns) == 5
