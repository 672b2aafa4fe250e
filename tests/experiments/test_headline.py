"""The headline's arithmetic, on rows that can be checked by hand."""

import pytest

from mc_sched.core.task import Mode
from mc_sched.experiments.headline import cuts, e3_over, headline

PERFORMANCE, ENERGY = Mode.PERFORMANCE, Mode.ENERGY


def row(policy, mode=PERFORMANCE, *, link="wifi", qor=0.75, success=1.0, **figures):
    cell = {"set": "a", "link": link, "trace": "", "qor": qor, "qos": 84.0}
    measured = {"latency": 100.0, "cloud": 10.0, "e3": 1.0} | figures
    return {**cell, "policy": policy, "mode": mode.value, "success": success, **measured}


def cell(ours, ddnn, server, jointdnn, **where):
    """Return the rows of a cell with these latencies."""
    names = {"mc": ours, "ddnn": ddnn, "server": server, "jointdnn": jointdnn}
    return [row(name, latency=ms, **where) for name, ms in names.items()]


def test_a_cut_is_against_the_mean_of_the_three():
    assert cuts(cell(60, 80, 100, 120), "mc", PERFORMANCE, "latency") == {0.75: pytest.approx(40)}


def test_links_are_averaged_and_qors_are_not():
    rows = [
        *cell(50, 100, 100, 100), *cell(900, 1000, 1000, 1000, link="3g"),
        *cell(100, 100, 100, 100, qor=0.9),
    ]  # fmt: skip
    found = cuts(rows, "mc", PERFORMANCE, "latency")
    assert found == {0.75: pytest.approx((50 + 10) / 2), 0.9: pytest.approx(0)}


def test_a_cell_that_one_of_the_four_does_not_reach_is_left_out():
    rows = [*cell(1, 100, 100, 100, link="3g"), *cell(50, 100, 100, 100)]
    rows[1]["success"] = 0.1
    assert cuts(rows, "mc", PERFORMANCE, "latency") == {0.75: pytest.approx(50)}


def test_a_policy_that_depends_on_the_mode_is_taken_in_the_given_mode():
    rows = [*cell(60, 100, 100, 100), row("mc", ENERGY, latency=500)]
    assert cuts(rows, "mc", PERFORMANCE, "latency") == {0.75: pytest.approx(40)}
    assert cuts(rows[:-1], "mc", ENERGY, "latency") == {}


def test_the_mean_of_e3_ratios_is_geometric():
    rows = [
        row("mc", ENERGY, e3=8.0), row("ddnn", e3=2.0),
        row("mc", ENERGY, e3=1.0, link="3g"), row("ddnn", e3=1.0, link="3g"),
        row("mc", ENERGY, e3=1.0, link="4g"), row("ddnn", e3=0.0, link="4g"),
    ]  # fmt: skip
    assert e3_over(rows, "mc", ENERGY, "ddnn") == {"ratio": pytest.approx(2.0), "cells": 2}


def test_without_rows_to_compare_the_ratios_are_none():
    ratios = headline([], [row("mc", ENERGY)])
    assert ratios["mc"]["latency_cut_pct"] == {"min": None, "max": None, "by_qor": {}}
    assert ratios["mc"]["e3_over_jointdnn"] is None


def test_smallest_and_largest_are_over_the_qors():
    rows = [*cell(60, 100, 100, 100), *cell(90, 100, 100, 100, qor=0.9)]
    latency = headline(rows, [])["mc"]["latency_cut_pct"]
    assert (latency["min"], latency["max"]) == (pytest.approx(10), pytest.approx(40))
    assert list(latency["by_qor"]) == ["0.75", "0.90"]
