"""The files of an experiment, and the page with all results."""

import csv
import json
import os

import pytest

from mc_sched.errors import UserError
from mc_sched.experiments.findings import SCHEMA, Figure, Findings, make_folder, write_findings
from mc_sched.experiments.report import write_page
from mc_sched.experiments.setting import Setting


def findings(**changes):
    rows = [{"set": "a", "e3": 1.5, "e3_by_seed": [1.0, 2.0]}, {"set": "b", "e3": 0.0}]
    usual = {
        "name": "thing", "title": "A thing", "report": {"rows": rows},
        "table": [("set", "e3"), ("a", "1.50")], "rows": rows[:1],
    }  # fmt: skip
    return Findings(**usual | changes)


def test_json_csv_and_each_figure_twice(tmp_path):
    drawn = []
    write_findings(findings(figures=[Figure("thing-a", "It", drawn.append)]), tmp_path)
    report = json.loads((tmp_path / "thing.json").read_text())
    assert (report["schema"], report["experiment"]) == (SCHEMA, "thing")
    assert [path.name for path in drawn] == ["thing-a.png", "thing-a.pdf"]
    with (tmp_path / "thing.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"set": "a", "e3": "1.5", "e3_by_seed": "1.0 2.0"}]


def test_without_rows_there_is_no_csv(tmp_path):
    write_findings(findings(rows=()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thing.json"]


def test_a_folder_is_made(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write to it"):
        make_folder(tmp_path)


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match=r"--out .*cannot write to it"):
        make_folder(tmp_path / "out")


def test_the_page_has_the_headline_and_links_with_targets(tmp_path):
    cut = {"min": 1.0, "max": 20.0, "by_qor": {}}
    figures = {
        "latency_cut_pct": cut, "cloud_time_cut_pct": cut | {"min": None},
        "e3_over_ddnn": 1.234, "e3_over_jointdnn": None,
    }  # fmt: skip
    figure = Figure("thing-a", "It", lambda path: None)
    more = (("cells below", [("cell", "of"), ("b", "0.90")]),)
    first = findings(
        report={"headline": {"mc": figures}},
        figures=[figure],
        notes=("times in ms",),
        more_tables=more,
    )
    write_page([first, findings(name="other", title="Another")], Setting(), tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "| mc | 1.0% to 20.0% | - | 1.23 | - |" in page
    assert "![It](thing-a.png)" in page
    assert "Times in ms." in page
    assert "Cells below.\n\n| cell | of |\n|---|---|\n| b | 0.90 |" in page
    for name in ("thing", "other"):
        assert f"(#{name})" in page
        assert f'<a id="{name}">' in page
