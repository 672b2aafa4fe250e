"""Files, output and errors of `mc-sched experiment`."""

import json

import pytest
from mc_models.inference import profile_store
from mc_models.inference.profile import Profile, Times

from mc_sched.cli.main import main
from mc_sched.experiments import capacity, paper_figures, regret, table2

MS = Times(1_000_000, 1_100_000, 1_200_000, 100)
TINY = ("--tasks", "10", "--seeds", "1", "--jobs", "1")


@pytest.fixture(autouse=True)
def _few_cells(monkeypatch):
    """Restrict each sweep to its corners."""
    for sweep in (paper_figures, table2):
        every = sweep.cells()
        some = [c for c in every if c.qor in (0.75, 0.85) and c.link == "wifi"]
        monkeypatch.setattr(sweep, "cells", lambda some=some: some)
        monkeypatch.setattr(sweep, "LINKS", ("wifi",))
        monkeypatch.setattr(sweep, "QORS", (0.75, 0.85))
    monkeypatch.setattr(regret, "QORS", (0.75,))
    monkeypatch.setattr(capacity, "QORS", (0.75,))


def report_of(capsys, *args):
    assert main(["experiment", *args]) == 0
    return json.loads(capsys.readouterr().out)


def test_table2_prints_the_headline_and_a_row_per_cell(tmp_path, capsys):
    report = report_of(capsys, "table2", *TINY, "--out", str(tmp_path), "--output", "json")
    assert report["headline"].keys() == {"mc", "mc-paper"}
    for figures_ in report["headline"].values():
        assert {"latency_cut_pct", "cloud_time_cut_pct", "e3_over_ddnn", "e3_over_jointdnn"} <= (
            figures_.keys()
        )
    columns = {"set", "link", "trace", "qor", "qos", "policy", "success", "e3", "latency"}
    assert all(columns | {"oracle_ratio"} <= row.keys() for row in report["rows"])
    assert report == json.loads((tmp_path / "table2.json").read_text())


def test_all_of_it_leaves_a_page_and_the_figures(tmp_path, capsys):
    report = report_of(
        capsys, "all", *TINY, "--max-edges", "2", "--out", str(tmp_path), "--output", "json"
    )
    assert list(report) == ["figures", "table2", "case-study", "oracle", "capacity"]
    names = {path.name for path in tmp_path.iterdir()}
    figures = {
        "figures-set-a", "figures-set-b", "table2-set-a", "table2-set-b", "case-study", "oracle",
        "capacity", "capacity-t4",
    }  # fmt: skip
    assert names >= {f"{name}.png" for name in figures} | {f"{name}.pdf" for name in figures}
    assert names >= {"report.md", "figures.csv", "table2.csv", "oracle.csv", "capacity.csv"}
    page = (tmp_path / "report.md").read_text()
    assert all(f"({name}.png)" in page for name in figures)


def test_a_users_own_traces_are_measured_beside_the_generated_one(tmp_path, capsys):
    traces = tmp_path / "traces"
    traces.mkdir()
    for direction in ("up", "down"):
        (traces / f"lab.{direction}").write_text("".join(f"{ms}\n" for ms in range(1, 400, 3)))
    report = report_of(
        capsys, "oracle", *TINY, "--traces", str(traces), "--out", str(tmp_path / "out"),
        "--output", "json",
    )  # fmt: skip
    assert {row["trace"] for row in report["rows"]} == {"", "walk", "lab"}
    assert {group["link"] for group in report["by_link"]} == {"wifi", "walk", "lab"}


def test_people_get_a_table(tmp_path, capsys):
    assert main(["experiment", "case-study", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The paper's case study")
    assert "local net" in out


def _one_ms(rows):
    return {row.name: MS for row in rows}


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The parts that were measured, with invented times, on a host without profiles."""
    monkeypatch.setattr(profile_store, "default_file", lambda bundle: tmp_path / bundle.name)
    parts = []

    def measure(bundle, part, threads):
        parts.append((bundle.name, part))
        profile = Profile(
            bundle.hash, part, "float32", "cpu", threads, "here", "2.14",
            layers=_one_ms(bundle.local.layers), stages=_one_ms(bundle.stages),
            heads=_one_ms(bundle.exits), codecs=_one_ms(bundle.codecs),
            splits=_one_ms(bundle.splits), images={"decode": MS, "encode": MS},
        )  # fmt: skip
        profile_store.keep_profiles([profile], bundle)

    monkeypatch.setattr(profile_store, "host_profile", measure)
    return parts


def test_a_host_is_measured_once_before_its_experiments(measured, tmp_path, capsys):
    args = ("case-study", "--profile", "host", "--out", str(tmp_path / "out"))
    assert main(["experiment", *args]) == 0
    assert "measuring set-b's cloud net on this host" in capsys.readouterr().err
    assert len(measured) == len(set(measured)) == 4
    assert main(["experiment", *args]) == 0
    assert len(measured) == 4


def test_a_host_too_busy_to_be_measured(measured, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(profile_store, "host_profile", lambda *args, **rest: None)
    args = ("case-study", "--profile", "host", "--out", str(tmp_path / "out"))
    assert main(["experiment", *args]) == 1
    assert "too busy to measure set-a's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message", "code"),
    [
        (["figures", "--tasks", "3"], "--tasks must be at least 10", 2),
        (["figures", "--seeds", "0"], "--seeds at least 1", 2),
        (["figures", "--jobs", "0"], "--jobs 0 is out of range; choose 1 or more", 2),
        (
            ["capacity", "--max-edges", "20000"],
            "--max-edges 20000 is out of range; choose 1 to",
            2,
        ),
        (["fidelity", "--live-tasks", "5"], "--live-tasks 5 is out of range; choose 50 or more", 2),
        (["oracle", "--traces", "/no/such/folder"], "the folder does not exist", 1),
    ],
)
def test_invalid_arguments_are_errors_before_the_work(tmp_path, capsys, args, message, code):
    assert main(["experiment", *args, "--out", str(tmp_path)]) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_experiment_is_an_error_that_lists_the_experiments(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "figure3"])
    assert ended.value.code == 2
    assert "'table2'" in capsys.readouterr().err


def test_a_trace_with_text_in_it_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "a.up").write_text("1\n2\nfast\n")
    (tmp_path / "a.down").write_text("1\n")
    assert main(["experiment", "oracle", "--traces", str(tmp_path)]) == 1
    assert "a.up, line 3: 'fast'" in capsys.readouterr().err
