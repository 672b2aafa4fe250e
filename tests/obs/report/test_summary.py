"""The summary: its keys are a contract with programs that read it."""

import dataclasses
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core.task import Energy, Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.report.running_summary import SCHEMA, summarise
from mc_sched.obs.report.summary import Claim, RunInfo, TaskResult, summary_rows
from tests.obs import arbitrary

MS = 1_000_000
INFO = RunInfo("mc", "energy", "wifi", duration_s=10.0, idle_w=3.0)
TOP = Prediction(((3, 0.9),))
ZERO_LATENCY = {"mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}

CONTRACT = {
    "schema": str, "policy": str, "mode": str, "link": str, "tasks": int,
    "outcomes": {"succeeded": int, "late": int, "refused": int, "failed": int},
    "sites": {"edge": int, "cloud": int},
    "exits": dict,
    "gave_up": int, "deadline_met": float, "accuracy": float, "expected_accuracy": float,
    "claimed_minus_seen": int,
    "latency_ms": {"mean": float, "p50": float, "p95": float, "p99": float, "max": float},
    "agent_latency_ms": {"mean": float, "p50": float, "p95": float, "p99": float, "max": float},
    "cloud_ms": {"mean": float}, "bytes_up": int,
    "energy_j": {"total": float, "per_task": float, "idle": float, "source": str, "tail": float},
    "e3_per_j": float, "e3_with_tail_per_j": float, "e3_counts": str,
}  # fmt: skip


def answered(correct=None, *, kind="succeeded", site="edge", exit_="local", **fields):
    """A frame with an answer; `energy_j` and `latency_ms` in the units people use."""
    joules, latency_ms = fields.pop("energy_j", 0.5), fields.pop("latency_ms", 20)
    outcome = Outcome(
        "t", "s", OutcomeKind(kind), int(latency_ms * MS), Site(site), exit_, TOP,
        fields.pop("expected_accuracy", 0.8), energy=Energy(compute_j=joules), **fields,
    )  # fmt: skip
    return TaskResult(outcome, correct)


def unanswered(kind="refused", latency_ms=0, **fields):
    return TaskResult(Outcome("t", "s", OutcomeKind(kind), latency_ms * MS, **fields))


def shape(value, contract):
    """Raise unless `value` has exactly the keys and types of the contract."""
    if isinstance(contract, dict):
        assert list(value) == list(contract)
        for key, part in contract.items():
            shape(value[key], part)
    else:
        assert isinstance(value, contract) or (contract is float and isinstance(value, int))
        assert not isinstance(value, bool)


# --- the contract -----------------------------------------------------------------------------


@pytest.mark.parametrize("results", [[], [answered()], [unanswered()], [answered(True)] * 9])
def test_every_key_is_always_present_in_the_contracts_order(results):
    summary = summarise(results, INFO)
    shape(summary, CONTRACT)
    assert summary["schema"] == SCHEMA == "mc-sched/summary/2"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_an_empty_run_is_all_zeros():
    summary = summarise([], RunInfo("mc", "energy", "live", duration_s=0.0))
    assert summary == {
        "schema": "mc-sched/summary/2", "policy": "mc", "mode": "energy", "link": "live",
        "tasks": 0,
        "outcomes": {"succeeded": 0, "late": 0, "refused": 0, "failed": 0},
        "sites": {"edge": 0, "cloud": 0}, "exits": {}, "gave_up": 0,
        "deadline_met": 0.0, "accuracy": 0.0, "expected_accuracy": 0.0,
        "claimed_minus_seen": 0, "latency_ms": ZERO_LATENCY, "agent_latency_ms": ZERO_LATENCY,
        "cloud_ms": {"mean": 0.0}, "bytes_up": 0,
        "energy_j": {"total": 0, "per_task": 0.0, "idle": 0.0, "source": "model", "tail": 0},
        "e3_per_j": 0.0, "e3_with_tail_per_j": 0.0, "e3_counts": "expected",
    }  # fmt: skip


def test_a_run_key_by_key():
    results = [
        answered(True, latency_ms=10, energy_j=0.5),
        answered(
            False, latency_ms=30, energy_j=0.1, site="cloud", exit_="exit2", cloud_ns=4 * MS,
            bytes_up=1000, expected_accuracy=0.9,
        ),
        answered(
            True, latency_ms=50, energy_j=0.2, site="cloud", exit_="exit2", cloud_ns=8 * MS,
            bytes_up=2000, kind="late", expected_accuracy=0.9,
        ),
        unanswered("refused"),
        unanswered("failed", gave_up=True, bytes_up=500, energy=Energy(0.05, 0.05, 0.05, 0.05)),
    ]  # fmt: skip
    summary = summarise(results, INFO)
    assert summary["tasks"] == 5
    assert summary["outcomes"] == {"succeeded": 2, "late": 1, "refused": 1, "failed": 1}
    assert summary["sites"] == {"edge": 1, "cloud": 2}
    assert summary["exits"] == {"exit2": 2, "local": 1}
    assert (summary["gave_up"], summary["bytes_up"]) == (1, 3500)
    assert summary["deadline_met"] == pytest.approx(2 / 5)
    assert summary["accuracy"] == pytest.approx(2 / 3)
    assert summary["expected_accuracy"] == pytest.approx(2.6 / 3)
    assert summary["latency_ms"]["mean"] == pytest.approx(30)
    assert summary["latency_ms"]["p50"] == pytest.approx(30)
    assert summary["latency_ms"]["max"] == pytest.approx(50)
    assert summary["cloud_ms"] == {"mean": pytest.approx(6)}
    assert summary["energy_j"] == {
        "total": pytest.approx(1.0), "per_task": pytest.approx(0.2), "idle": pytest.approx(30.0),
        "source": "model", "tail": 0,
    }  # fmt: skip
    assert (summary["e3_counts"], summary["e3_per_j"]) == ("correct", pytest.approx(1 / 1.0))


def test_times_are_the_clients_and_the_agents_stand_beside_them():
    seen = answered(latency_ms=90, kind="late")
    results = [
        dataclasses.replace(seen, claimed=Claim(OutcomeKind.SUCCEEDED, 70 * MS)),
        dataclasses.replace(answered(latency_ms=50), claimed=Claim(OutcomeKind.SUCCEEDED, 40 * MS)),
        dataclasses.replace(seen, claimed=Claim(OutcomeKind.LATE, 85 * MS)),
        unanswered(),
    ]
    summary = summarise(results, INFO)
    assert summary["deadline_met"] == 1 / 4
    assert summary["claimed_minus_seen"] == 1
    assert (summary["latency_ms"]["max"], summary["agent_latency_ms"]["max"]) == (90, 85)
    assert (summary["latency_ms"]["p50"], summary["agent_latency_ms"]["p50"]) == (90, 70)
    rows = dict(summary_rows(summary))
    assert rows["in time"] == "25.0%; the agent claims 1 more"
    assert rows["latency in the agent"] == "p50 70.0 ms, p95 85.0 ms, max 85.0 ms"


def test_the_run_is_described():
    summary = summarise([], RunInfo("server", "performance", "3g", 2.0, 4.0, "rail"))
    named = [summary[key] for key in ("policy", "mode", "link")]
    assert named == ["server", "performance", "3g"]
    assert summary["energy_j"]["source"] == "rail"
    assert summary["energy_j"]["idle"] == pytest.approx(8.0)


# --- counting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["refused", "late", "failed"])
def test_every_outcome_but_success_counts_as_not_met(kind):
    assert summarise([answered(), unanswered(kind)], INFO)["deadline_met"] == 0.5


def test_refused_tasks_do_not_shorten_the_latency():
    with_them = summarise([answered(latency_ms=40), unanswered("refused")], INFO)
    assert with_them["latency_ms"] == summarise([answered(latency_ms=40)], INFO)["latency_ms"]


def test_a_late_answer_counts_in_latency_and_accuracy():
    summary = summarise([answered(True, kind="late", latency_ms=99)], INFO)
    assert (summary["accuracy"], summary["latency_ms"]["max"]) == (1.0, 99.0)
    assert summary["deadline_met"] == 0.0


def test_e3_is_successes_per_joule_of_all_tasks():
    results = [answered(energy_j=1.0), answered(kind="late", energy_j=2.0), unanswered()]
    summary = summarise(results, INFO)
    assert (summary["e3_counts"], summary["e3_per_j"]) == ("expected", pytest.approx(1 / 3))


def test_e3_counts_only_correct_successes_if_labels_are_known():
    results = [answered(True), answered(False), answered(True, kind="late")]
    summary = summarise(results, INFO)
    assert (summary["e3_counts"], summary["e3_per_j"]) == ("correct", pytest.approx(1 / 1.5))


def test_a_success_without_a_label_does_not_count_as_correct():
    summary = summarise([answered(True), answered(None)], INFO)
    assert (summary["e3_counts"], summary["accuracy"]) == ("correct", 1.0)
    assert summary["e3_per_j"] == pytest.approx(1 / 1.0)


def test_e3_equals_the_papers_formula():
    """E3 = Ns / (N * E), E the mean joules per task."""
    results = [answered(energy_j=j / 10) for j in range(1, 8)] + [unanswered()]
    summary = summarise(results, INFO)
    mean_j = summary["energy_j"]["per_task"]
    assert summary["e3_per_j"] == pytest.approx(7 / (8 * mean_j))


def spending(joules, source="model", tail_j=0.0):
    """A frame whose answer cost these joules."""
    energy = Energy(compute_j=joules, radio_tail_j=tail_j, source=source)
    outcome = Outcome("t", "s", OutcomeKind.SUCCEEDED, MS, Site.EDGE, "local", TOP, energy=energy)
    return TaskResult(outcome)


def test_the_tail_is_separate_and_e3_is_given_with_and_without_it():
    summary = summarise([spending(1.0, tail_j=0.5), spending(1.0, tail_j=0.5)], INFO)
    assert (summary["energy_j"]["total"], summary["energy_j"]["tail"]) == (2.0, 1.0)
    assert (summary["e3_per_j"], summary["e3_with_tail_per_j"]) == (1.0, pytest.approx(2 / 3))
    assert "0.7 with the radio's tail" in dict(summary_rows(summary))["E3"]


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        (["rapl", "rapl"], "rapl"),
        (["rapl", "model"], "model+rapl"),
        (["model+rapl", "nvml"], "model+nvml+rapl"),
    ],
)
def test_a_run_names_every_source_of_computing_energy(sources, named):
    results = [spending(1.0, source) for source in sources]
    assert summarise([*results, unanswered()], INFO)["energy_j"]["source"] == named


def test_idle_joules_are_the_measured_ones_if_there_are_any():
    info = RunInfo("mc", "energy", "wifi", duration_s=10.0, idle_w=3.0, idle_j=31.5)
    assert summarise([], info)["energy_j"]["idle"] == 31.5


def test_a_run_without_joules_has_no_e3():
    assert summarise([answered(energy_j=0.0)], INFO)["e3_per_j"] == 0.0


def test_the_clouds_mean_time_is_over_the_tasks_it_computed():
    results = [answered(site="cloud", cloud_ns=10 * MS), answered()]
    assert summarise(results, INFO)["cloud_ms"]["mean"] == pytest.approx(10)


def test_exits_are_in_order_of_their_names():
    results = [answered(exit_=name) for name in ("exit3", "exit1", "local", "exit1")]
    assert list(summarise(results, INFO)["exits"].items()) == [
        ("exit1", 2), ("exit3", 1), ("local", 1),
    ]  # fmt: skip


# --- quantiles --------------------------------------------------------------------------------


def nearest_rank(samples, q):
    """Return the smallest sample that at least the share q of all samples does not exceed."""
    ordered = sorted(samples)
    return next(x for i, x in enumerate(ordered, 1) if i >= q * len(ordered) - 1e-9)


def latency_of(samples_ms):
    return summarise([answered(latency_ms=ms) for ms in samples_ms], INFO)["latency_ms"]


@pytest.mark.parametrize("count", [1, 3, 7, 19, 33, 101, 333])
def test_quantiles_are_nearest_rank(count):
    samples_ms = random.Random(count).sample(range(1, 1000), count)
    latency = latency_of(samples_ms)
    for name, q in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        assert latency[name] == nearest_rank(samples_ms, q)


@pytest.mark.parametrize(
    ("count", "name", "q"), [(2, "p50", 0.5), (20, "p95", 0.95), (100, "p99", 0.99)]
)
def test_quantiles_are_nearest_rank_if_the_rank_is_an_integer(count, name, q):
    samples_ms = list(range(1, count + 1))
    assert latency_of(samples_ms)[name] == nearest_rank(samples_ms, q)


# --- properties -------------------------------------------------------------------------------

SMALL_INTS = st.integers(0, 10**12)
OUTCOMES = arbitrary.of(
    Outcome,
    ints=SMALL_INTS,
    floats=st.floats(0, 1),
    prediction=st.sampled_from((None, TOP)),
    exit=st.sampled_from((None, "exit1", "local")),
)
RESULTS = st.lists(
    st.builds(TaskResult, OUTCOMES, st.sampled_from((None, True, False))), max_size=12
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(RESULTS)
def test_a_summary_is_consistent(results):
    summary = summarise(results, INFO)
    shape(summary, CONTRACT)
    json.dumps(summary, allow_nan=False)
    tasks, outcomes, latency = summary["tasks"], summary["outcomes"], summary["latency_ms"]
    assert tasks == len(results) == sum(outcomes.values())
    assert sum(summary["sites"].values()) <= tasks
    assert sum(summary["exits"].values()) <= tasks
    assert 0 <= summary["gave_up"] <= tasks
    assert summary["deadline_met"] == (outcomes["succeeded"] / tasks if tasks else 0.0)
    assert 0 <= summary["accuracy"] <= 1
    assert 0 <= summary["expected_accuracy"] <= 1
    assert latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert latency["mean"] <= latency["max"] * (1 + 1e-9)
    assert math.isclose(summary["energy_j"]["per_task"] * tasks, summary["energy_j"]["total"])
    assert summary["e3_per_j"] * summary["energy_j"]["total"] <= outcomes["succeeded"] + 1e-6


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(RESULTS, st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_does_not_matter(results, shuffler):
    shuffled = results.copy()
    shuffler.shuffle(shuffled)
    first, second = summarise(results, INFO), summarise(shuffled, INFO)
    for summary in (first, second):
        for key in ("energy_j", "expected_accuracy", "e3_per_j", "e3_with_tail_per_j", "cloud_ms"):
            summary.pop(key)  # sums of floats
        summary["latency_ms"].pop("mean")
        summary["agent_latency_ms"].pop("mean")
    assert first == second


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(RESULTS)
def test_one_more_refusal_never_makes_a_run_look_better(results):
    before, after = summarise(results, INFO), summarise([*results, unanswered()], INFO)
    assert after["deadline_met"] <= before["deadline_met"]
    assert after["e3_per_j"] <= before["e3_per_j"] or math.isclose(
        after["e3_per_j"], before["e3_per_j"]
    )
    assert after["latency_ms"] == before["latency_ms"]


# --- for people -------------------------------------------------------------------------------


def test_rows_for_people():
    results = [answered(True, latency_ms=12.34, bytes_up=1500), unanswered()]
    rows = dict(summary_rows(summarise(results, INFO)))
    assert rows["frames"] == "2: 1 succeeded, 1 refused"
    assert rows["in time"] == "50.0%"
    assert rows["answered by"] == "edge 1, cloud 0"
    assert rows["exits"] == "local 1"
    assert rows["latency"] == "p50 12.3 ms, p95 12.3 ms, max 12.3 ms"
    assert "latency in the agent" not in rows
    assert rows["top-5 correct"] == "100.0%"
    assert rows["sent"] == "2 kB"
    assert rows["energy"] == "250.0 mJ per frame above idle (model)"
    assert rows["E3"] == "2.0 correct answers in time per joule"


def test_rows_leave_out_correctness_if_labels_are_unknown():
    assert "top-5 correct" not in dict(summary_rows(summarise([answered()], INFO)))


def test_rows_of_an_empty_run():
    rows = dict(summary_rows(summarise([], INFO)))
    assert rows["exits"] == "none"
    assert rows["in time"] == "0.0%"
