"""Frames and output of `mc-sched demo` without agents; tests/system runs the complete demo."""

import json

import pytest

from mc_sched.cli import demo
from mc_sched.core.task import Energy, Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.report.summary import RunInfo, TaskResult


def result(site, correct=True):
    prediction = Prediction(((0, 0.9),))
    outcome = Outcome(
        "t", "s", OutcomeKind.SUCCEEDED, 20_000_000, site, "local", prediction, 0.8,
        energy=Energy(compute_j=0.5),
    )  # fmt: skip
    return TaskResult(outcome, correct)


RESULTS = {
    "performance": [result(Site.EDGE), result(Site.EDGE, correct=False)],
    "energy": [result(Site.CLOUD)],
}
TOOK_S = {"performance": 2.0, "energy": 1.0}


class Stage:
    """Replaces agents, link and stream, and returns RESULTS."""

    def __init__(self):
        self.played, self.interrupted = [], False

    async def play(self, args, modes, frames, results):
        self.played.append((tuple(modes), len(frames)))
        for mode in modes:
            results[mode] += RESULTS[mode]
            if self.interrupted:
                raise KeyboardInterrupt
        return {mode: RunInfo("mc", mode, args.link, TOOK_S[mode], 3.0) for mode in modes}


@pytest.fixture
def stage(monkeypatch):
    empty = Stage()
    monkeypatch.setattr(demo, "_demo", empty.play)
    return empty


def test_the_summary_is_of_the_whole_and_of_each_mode(run, stage):
    ran = run("demo", "--frames", "3", "--link", "4g", "--output", "json")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    summary = json.loads(ran.out)
    modes = summary.pop("modes")
    assert stage.played == [(("performance", "energy"), 3)]
    assert (summary["tasks"], summary["mode"], summary["link"]) == (3, "performance+energy", "4g")
    assert summary["sites"] == {"edge": 2, "cloud": 1}
    assert summary["energy_j"]["idle"] == pytest.approx(9.0)
    assert list(modes) == ["performance", "energy"]
    assert [part["tasks"] for part in modes.values()] == [2, 1]
    assert modes["performance"]["accuracy"] == pytest.approx(0.5)
    assert all(part.keys() == summary.keys() for part in modes.values())


def test_one_mode_alone(run, stage):
    summary = json.loads(run("demo", "--frames", "1", "--mode", "energy", "--output", "json").out)
    assert (summary["mode"], list(summary["modes"]), summary["tasks"]) == ("energy", ["energy"], 1)


def test_people_get_a_table_for_each_mode(run, stage, tmp_path):
    ran = run("demo", "--frames", "1", "--link", "4g", "--keep-logs", tmp_path)
    assert "performance mode over 4g" in ran.out
    assert "energy mode over 4g" in ran.out
    assert f"event logs: {tmp_path}/edge.jsonl and {tmp_path}/cloud.jsonl" in ran.out


def test_interrupted_it_is_130_with_the_summary_so_far(run, stage):
    stage.interrupted = True
    ran = run("demo", "--frames", "1", "--output", "json")
    summary = json.loads(ran.out)
    assert (ran.code, summary["tasks"], summary["modes"]["energy"]["tasks"]) == (130, 2, 0)


def test_a_figure_is_drawn_to_the_given_file(run, stage, tmp_path):
    picture = tmp_path / "demo.svg"
    assert run("demo", "--frames", "1", "--outage", "1s:1s", "--figure", picture).code == 0
    assert "performance mode over wifi" in picture.read_text()


def test_a_figure_that_cannot_be_drawn_is_an_error_before_the_run(run, stage, tmp_path):
    for place in (tmp_path / "demo.exe", tmp_path / "nowhere" / "demo.png"):
        ran = run("demo", "--frames", "1", "--figure", place)
        assert (ran.code, ran.out, ran.err.count("\n"), stage.played) == (2, "", 1, [])
        assert f"--figure {place}" in ran.err


@pytest.mark.parametrize("outage", ["4s", "4:3", "soon:3s", "4s:", "4s:0s"])
def test_an_outage_that_cannot_be_is_usage(run, stage, outage):
    ran = run("demo", "--outage", outage)
    assert (ran.code, ran.out, stage.played) == (2, "", [])
    assert "argument --outage" in ran.err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--accuracy", "1.5"), ("--deadline", "0s"), ("--fps", "nan")],
)
def test_a_constraint_out_of_range_is_an_error_before_the_run(run, stage, option, value):
    ran = run("demo", "--frames", "1", option, value)
    assert (ran.code, ran.out, ran.err.count("\n"), stage.played) == (2, "", 1, [])
    assert option in ran.err


@pytest.mark.parametrize(("count", "sizes"), [(7, [4, 3]), (2, [1, 1]), (1, [1, 0])])
def test_two_modes_share_the_frames(count, sizes):
    shares = demo._shares(list(range(count)), 2)
    assert [len(share) for share in shares] == sizes
    assert [frame for share in shares for frame in share] == list(range(count))


@pytest.mark.parametrize("place", ["missing", "empty", "classes"])
def test_a_place_without_images_is_a_sentence_before_the_run(run, stage, tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "classes" / "cat").mkdir(parents=True)
    ran = run("demo", "--images", tmp_path / place)
    assert (ran.code, ran.out, ran.err.count("\n"), stage.played) == (1, "", 1, [])
    assert ran.err.startswith(f"mc-sched: {tmp_path / place}: ")
