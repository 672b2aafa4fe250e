"""/metrics: names, units and values, read from the state at scrape time."""

import ssl
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.histogram import LATENCY_BOUNDS_NS, Histogram
from mc_sched.core.scores import Reliability
from mc_sched.obs.metrics.cloud import CloudCollector, CloudMetricsInput, WorkerState
from mc_sched.obs.metrics.edge import EdgeCollector, EdgeMetricsInput
from mc_sched.obs.web.config import HttpConfig
from mc_sched.obs.web.http import Request
from mc_sched.obs.web.serving import metrics_route, serving
from tests.core.scripted_edge import ScriptedEdge
from tests.obs.certificates import made_certificate

NAMES = (
    "mc_task_latency_seconds", "mc_tasks", "mc_deadline_slack_seconds", "mc_queue_depth",
    "mc_power_watts", "mc_energy_joules", "mc_give_ups", "mc_link_bandwidth_bits_per_second",
    "mc_prediction_error_ratio",
)  # fmt: skip
"""Names and labels that dashboards depend on."""


def scraped(collector):
    """Return every sample named mc_* by name and labels."""
    _, handler = metrics_route(collector, {})
    response = handler(Request("/metrics", {}, {}))
    assert response.content_type.startswith("text/plain")
    families = list(text_string_to_metric_families(response.body.decode()))
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return {family.name for family in families}, samples


@pytest.fixture
def edge():
    return ScriptedEdge()


def collector_of(edge, rails_w=None, dropped=0, has_cloud=True):
    def read():
        machine = edge.machine
        snapshot = machine.snapshot(edge.now_ns)
        tally, took = machine.tally(), machine.took()
        return EdgeMetricsInput(snapshot, tally, took, rails_w or {}, dropped, has_cloud)

    return EdgeCollector(read, {"node": "edge", "version": "1", "bundle": "small"})


def test_the_names_are_the_documented_ones(edge):
    names, _ = scraped(collector_of(edge))
    assert set(NAMES) <= names
    assert {"process_cpu_seconds", "mc_agent_info"} <= names


def test_values_are_current(edge):
    collector = collector_of(edge, {"VDD_IN": 5.5, "VDD_CPU": 1.25}, dropped=3)
    ending = ("mc_tasks_total", ("exit", "exit1"), ("outcome", "succeeded"), ("site", "cloud"))
    before = scraped(collector)[1]
    edge.submit(0, "a", 84)
    assert scraped(collector)[1][("mc_queue_depth",)] == 1
    edge.accepted(20, "a")
    edge.replied(29, "a")
    after = scraped(collector)[1]
    assert after[ending] == before.get(ending, 0) + 1
    count = ("mc_task_latency_seconds_count", ("stage", "total"))
    assert after[count] == before[count] + 1
    assert after[("mc_queue_depth",)] == 0
    assert after[("mc_link_up",)] == 1
    assert after[("mc_link_rtt_seconds",)] == pytest.approx(0.010)
    assert after[("mc_link_bandwidth_bits_per_second", ("direction", "up"))] == pytest.approx(8e6)
    assert after[("mc_power_watts", ("rail", "VDD_CPU"))] == 1.25
    assert after[("mc_log_lines_dropped_total",)] == 3
    assert after[("mc_prediction_coverage_ratio", ("predictor", "cloud_total"))] == 1.0
    assert after[("mc_energy_joules_total", ("part", "tasks"))] > 0


def test_buckets_are_cumulative_and_the_last_holds_all(edge):
    _, samples = scraped(collector_of(edge))
    buckets = [
        value for (name, *labels), value in samples.items()
        if name == "mc_task_latency_seconds_bucket" and ("stage", "total") in labels
    ]  # fmt: skip
    assert buckets == sorted(buckets)
    assert buckets[-1] == samples[("mc_task_latency_seconds_count", ("stage", "total"))] > 0


def test_no_task_id_becomes_a_label(edge):
    edge.submit(0, "secret-id", 84, stream_id="secret-stream")
    edge.deadline_fires(84, "secret-id")
    _, handler = metrics_route(collector_of(edge), {})
    assert b"secret" not in handler(Request("/metrics", {}, {})).body


def test_a_cloud_agent(edge):
    took = Histogram(LATENCY_BOUNDS_NS)
    took.add(4_000_000)
    load = WorkerLoad(1, 12_000_000, 1.25, 2)
    one = WorkerState(
        "0", "cuda:0", True, 0, load, {"stage": Reliability(9, 0.9, 0.1, 0.2)}, {"stage": took},
        {("result", "exit2"): 5},
    )  # fmt: skip
    two = WorkerState("1", "cuda:1", False, 3, WorkerLoad())
    state = CloudMetricsInput([one, two], {"refused": 4}, {"gpu0": 61.5}, 0)
    now = [state]
    collector = CloudCollector(lambda: now[0], {"node": "cloud"})
    _, samples = scraped(collector)
    tasks = "mc_cloud_tasks_total"
    assert samples[(tasks, ("exit", "exit2"), ("message", "result"), ("worker", "0"))] == 5
    assert samples[(tasks, ("exit", ""), ("message", "refused"), ("worker", ""))] == 4
    assert samples[("mc_queue_seconds", ("worker", "0"))] == pytest.approx(0.012)
    assert samples[("mc_slowdown_ratio", ("worker", "0"))] == 1.25
    for device, up, restarts in (("cuda:0", 1, 0), ("cuda:1", 0, 3)):
        labels = (("device", device), ("worker", device[-1]))
        assert samples[("mc_worker_up", *labels)] == up
        assert samples[("mc_worker_restarts_total", *labels)] == restarts
    assert samples[("mc_power_watts", ("rail", "gpu0"))] == 61.5
    bucket = ("mc_task_latency_seconds_bucket", ("le", "0.005"), ("stage", "stage"))
    assert samples[(*bucket, ("worker", "0"))] == 1
    now[0] = replace(state, log_dropped=7)
    assert scraped(collector)[1][("mc_log_lines_dropped_total",)] == 7


def test_every_outcome_has_a_count_from_the_start():
    """Without it, the share of deadlines met has no value and no alert fires until one is met."""
    edge = ScriptedEdge(warmed_up=False)
    counts = {
        dict(labels)["outcome"]: value
        for (name, *labels), value in scraped(collector_of(edge))[1].items()
        if name == "mc_tasks_total"
    }
    assert counts == {"succeeded": 0, "late": 0, "refused": 0, "failed": 0}


def test_an_edge_without_a_cloud_has_no_link_metrics(edge):
    names, _ = scraped(collector_of(edge, has_cloud=False))
    assert not [name for name in names if name.startswith("mc_link")]
    assert "mc_energy_joules" in names


@pytest.fixture
def config(tmp_path):
    pair = [str(path) for path in made_certificate(tmp_path, days=9)]
    http = HttpConfig(listen="127.0.0.1:0", certificate=pair[0], key=pair[1])
    return SimpleNamespace(listen="127.0.0.1:7070", http=http)


def test_the_expiry_of_each_ports_loaded_certificate_is_shown(edge, config, capsys, tmp_path):
    """A file that was renewed later has no effect."""
    soon = datetime(2027, 1, 2, tzinfo=timezone.utc)
    with serving(config, "edge", collector_of(edge), expires=soon):
        address = capsys.readouterr().err.split()[-1]
        made_certificate(tmp_path, days=99)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urlopen(f"{address}/metrics", timeout=10, context=context) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    (family,) = (f for f in families if f.name == "mc_certificate_expiry_timestamp_seconds")
    ends = {sample.labels["port"]: sample.value for sample in family.samples}
    assert ends["grpc"] == soon.timestamp()
    left_s = ends["http"] - datetime.now(timezone.utc).timestamp()
    assert 8.9 * 86_400 < left_s < 9 * 86_400


def test_a_port_without_a_certificate_has_no_expiry(edge):
    assert (
        b"mc_certificate_expiry_timestamp_seconds{"
        not in metrics_route(collector_of(edge), {})[1](Request("/metrics", {}, {})).body
    )
