"""E3 computed from the lines of --results equals the summary's, for any energy source."""

import json

import pytest

from mc_sched.cli.output.results_file import results_file
from mc_sched.core.task import Energy, Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo, TaskResult

KINDS = tuple(OutcomeKind)
TOP = Prediction(((3, 0.9),))


def result(number, labelled):
    """Return a frame's result; every field differs from frame to frame."""
    energy = Energy(
        0.01 * number, 0.003, 0.02 / (number + 1), 0.001, 0.3, ("model", "rapl")[number % 2]
    )
    answered = number % 4 < 2
    outcome = Outcome(
        f"t{number}", "s", KINDS[number % 4], 10**7, Site.EDGE if answered else None,
        "local" if answered else None, TOP if answered else None, energy=energy,
    )  # fmt: skip
    return TaskResult(outcome, number % 3 > 0 if labelled and answered else None)


@pytest.mark.parametrize("labelled", [False, True])
def test_e3_by_hand(tmp_path, labelled):
    path = tmp_path / "results.jsonl"
    with results_file(str(path)) as results:
        results += [result(number, labelled) for number in range(40)]
        summary = summarise(results, RunInfo("mc", "energy", "wifi", 10.0))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    parts = ("compute_j", "encode_j", "radio_up_j", "radio_down_j")
    joules = sum(row["energy"][part] for row in rows for part in parts)
    tail_j = sum(row["energy"]["radio_tail_j"] for row in rows)
    good = [row for row in rows if row["kind"] == "succeeded"]
    counted = [row for row in good if row["correct"]] if labelled else good
    assert summary["e3_counts"] == ("correct" if labelled else "expected")
    assert summary["e3_per_j"] == pytest.approx(len(counted) / joules)
    assert summary["e3_with_tail_per_j"] == pytest.approx(len(counted) / (joules + tail_j))
    assert summary["energy_j"]["source"] == "model+rapl"
    assert sum(row["energy"]["total_j"] for row in rows) == pytest.approx(joules)
