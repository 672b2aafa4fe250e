"""The report over all loads, and its picture."""

from dataclasses import replace

import pytest

from mc_sched.bench.load.figure import draw_load
from mc_sched.bench.load.measure import _server_report
from mc_sched.bench.load.plan import LOADS
from mc_sched.bench.load.report import HEADINGS, point_rows, summary_rows
from mc_sched.bench.load.tally import LoadTally

POINT = LoadTally(0.05).point(1.0)


def measured(kind, goodputs, claimed=0.0):
    """Return three rounds; the middle one has the given goodputs."""
    return {
        (kind, load): [
            replace(POINT, offered=load * 100, goodput=goodput + off, claimed_minus_seen=claimed)
            for off in (5.0, 0.0, -5.0)
        ]
        for load, goodput in zip(LOADS, goodputs, strict=True)
    }


def report():
    found = {
        kind: _server_report(kind, 100.0, measured(kind, (50, 100, 101, 99, 98, 90), 0.001))
        for kind in ("cloud", "edge", "fcfs")
    }
    found["cloud"]["recovery_s"], found["edge"]["recovery_s"] = 0.25, None
    return {**found, "batch_gain": 1.2, "worker_gain": 1.5}


def test_kept_is_a_share_of_the_best_goodput_at_any_load():
    server = report()["cloud"]
    assert server["peak_per_s"] == 101
    assert server["kept"] == {
        "2": pytest.approx(99 / 101), "3": pytest.approx(98 / 101), "10": pytest.approx(90 / 101)
    }  # fmt: skip
    assert server["claimed_minus_seen"] == 0.001
    assert [point["load"] for point in server["points"]] == list(LOADS)


def test_every_point_has_a_row_and_missing_recovery_a_sentence():
    rows = list(point_rows(report()))
    assert len(rows) == 3 * len(LOADS)
    assert {len(row) for row in rows} == {len(HEADINGS)}
    texts = dict(summary_rows(report()))
    assert texts["edge agent: serves again"] == "not within the limit"
    assert texts["cloud agent: serves again"] == "0.25 s after a burst"


def test_the_picture_is_drawn(tmp_path):
    draw_load(report(), tmp_path / "load.png")
    assert (tmp_path / "load.png").stat().st_size > 10_000
