"""Output of `mc-sched bench`; tests/bench covers the measurements."""

import json

import pytest

from mc_sched.bench import forecast_errors, give_up, predictors

REPORT = give_up.GiveUps(2, 0, (1.0, 2.0, 3.0), (4.0, 4.0, 8.0))


@pytest.fixture
def measured(monkeypatch):
    """Calls of `measure_give_up`, which is replaced and starts no agent."""
    calls = []

    async def measure(bundle, tasks, seed, progress):
        calls.append((bundle, tasks, seed))
        progress("2 of 2")
        return REPORT

    monkeypatch.setattr(give_up, "measure_give_up", measure)
    return calls


def test_as_json_there_is_one_object_and_progress_is_on_stderr(run, measured):
    ran = run("bench", "give-up", "--tasks", "2", "--seed", "9", "--output", "json")
    assert (ran.code, json.loads(ran.out), ran.err) == (0, REPORT.report(), "2 of 2\n")
    assert measured == [("set-a", 2, 9)]


def test_people_get_a_line_per_figure(run, measured):
    lines = run("bench", "give-up").out.splitlines()
    rows = dict(line.replace(" ", "").strip("│").split("│") for line in lines if "│" in line)
    assert rows["stages_after_give_up"] == "0"
    assert rows["to_idle_ms.p50"] == "2.000"
    assert rows["to_idle_per_stage"] == "0.500"
    assert measured == [("set-a", 1000, 0)]


# --- predictors -------------------------------------------------------------------------------


@pytest.fixture
def foreseen(monkeypatch):
    """Plans passed to `measure_predictors`, which is replaced and starts no agent."""
    plans = []

    async def measure(plan, progress, keep):
        plans.append(plan)
        progress("undisturbed")
        return forecast_errors.read_scores([], [])

    monkeypatch.setattr(predictors, "measure_predictors", measure)
    return plans


def test_predictors_as_json(run, foreseen):
    ran = run("bench", "predictors", "--tasks", "8", "--fps", "12", "--output", "json")
    assert (ran.code, ran.err) == (0, "undisturbed\n")
    assert json.loads(ran.out) == forecast_errors.report(forecast_errors.read_scores([], []))
    assert foreseen == [predictors.Plan("set-a", 8, 12.0, 0)]


def test_predictors_for_people_with_a_figure(run, foreseen, tmp_path):
    ran = run("bench", "predictors", "--figure", str(tmp_path / "p.png"))
    assert (ran.code, (tmp_path / "p.png").exists()) == (0, True)
    assert "constant's" in ran.out


@pytest.mark.parametrize(
    "wrong", [["--tasks", "3"], ["--fps", "0"], ["--figure", "p.exe"], ["--figure", "no/p.png"]]
)
def test_predictors_usage_errors(run, foreseen, wrong):
    assert run("bench", "predictors", *wrong).code == 2
    assert foreseen == []
