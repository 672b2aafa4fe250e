"""`mc-sched submit` in scripts: exit codes, and one line per frame."""

import json

import pytest

from tests.system.deployment import GENEROUS, mc_sched

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

COUNT = 20


async def submit(deployment, folder, *options):
    """Run a short stream and return the summary that it printed."""
    ran = mc_sched(
        "submit", folder, "--edge", deployment.edge_address, "--deadline", f"{GENEROUS}s",
        "--count", COUNT, "--output", "json", *options,
    )  # fmt: skip
    (line,) = ran.out.splitlines()
    return ran, json.loads(line)


async def test_a_threshold_that_fails_is_exit_code_99_and_named(deployment, frame_folder):
    ran, summary = await submit(
        deployment, frame_folder,
        "--threshold", "deadline_met>=1", "--threshold", "latency_ms.p50<0.001",
    )  # fmt: skip
    assert ran.code == 99
    assert summary["outcomes"]["succeeded"] == COUNT
    (sentence,) = [line for line in ran.err.splitlines() if "threshold" in line]
    assert sentence.startswith("mc-sched: threshold failed: latency_ms.p50 is ")


async def test_results_hold_one_line_for_each_frame(deployment, frame_folder, tmp_path):
    results = tmp_path / "results.jsonl"
    ran, summary = await submit(
        deployment, frame_folder, "--results", results, "--threshold", "deadline_met>=1"
    )
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert len({row["task_id"] for row in rows}) == len(rows) == summary["tasks"] == COUNT
    assert sum(row["kind"] == "succeeded" for row in rows) == summary["outcomes"]["succeeded"]
    assert sum(row["site"] == "cloud" for row in rows) == summary["sites"]["cloud"]
    assert sum(row["bytes_up"] for row in rows) == summary["bytes_up"]
    assert {row["correct"] for row in rows} <= {True, False}  # the labels are known
    assert sum(row["energy"]["total_j"] for row in rows) == pytest.approx(
        summary["energy_j"]["total"]
    )
