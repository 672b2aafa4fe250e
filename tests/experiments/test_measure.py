"""A cell's rows: their keys are a contract, and their values do not depend on who computes them."""

import pytest

from mc_sched.core.task import Mode, Privacy
from mc_sched.experiments.cells import Cell, scenario_of
from mc_sched.experiments.measure import measure_cell
from mc_sched.experiments.regret import below, by_link
from mc_sched.experiments.setting import Setting
from mc_sched.experiments.sweep import sweep
from mc_sched.experiments.systems import System, systems
from mc_sched.experiments.worker_pool import worker_pool
from mc_sched.sim.build import world_of

SETTING = Setting(tasks=30, seeds=2)
CELL = Cell("a", "wifi", 0.75, 200_000_000)
CONTRACT = {
    "set": str, "link": str, "trace": str, "qor": float, "qos": float, "policy": str, "mode": str,
    "privacy": str, "success": float, "e3": float, "latency": float, "oracle_ratio": float,
    "e3_by_seed": list, "e3_noise": float, "accuracy": float, "cloud": float, "energy": float,
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return measure_cell(SETTING, CELL, systems(), SETTING.tables("a"))


def test_a_row_per_system_with_every_key(rows):
    assert [(row["policy"], row["mode"]) for row in rows] == [
        (system.policy, system.mode.value) for system in systems()
    ]
    for row in rows:
        assert {key: type(row[key]) for key in CONTRACT} == CONTRACT
        assert len(row["e3_by_seed"]) == SETTING.seeds


def test_ours_come_first_and_in_both_modes():
    first = [(system.policy, system.mode) for system in systems()][:4]
    assert first == [(p, m) for p in ("mc", "mc-paper") for m in (Mode.PERFORMANCE, Mode.ENERGY)]
    assert [s.mode for s in systems() if s.policy == "server"] == [Mode.PERFORMANCE]


def test_the_columns_of_a_row_are_consistent(rows):
    for row in rows:
        assert 0 <= row["success"] <= row["oracle_success"] == 1.0
        assert row["oracle_ratio"] == pytest.approx(
            row["e3_expected"] / row["oracle_e3_expected"], rel=0.01
        )
        assert row["e3"] <= row["e3_expected"] or row["success"] == 0
        assert row["cloud"] <= row["latency"]


def test_edge_only_is_the_local_net_by_its_table(rows):
    (row,) = (row for row in rows if row["policy"] == "edge-only")
    assert row["latency"] == pytest.approx(35.6, rel=0.02)
    assert row["energy"] == pytest.approx(0.0356 * 7.0, rel=0.02)
    assert (row["success"], row["edge_share"], row["cloud"]) == (1.0, 1.0, 0.0)


def test_systems_meet_the_same_world():
    worlds = [world_of(scenario_of(CELL, SETTING, s, 3), SETTING.tables("a")) for s in systems()]
    first = worlds[0].edges[0]
    for world in worlds[1:]:
        (edge,) = world.edges
        assert list(edge.arrivals()) == list(first.arrivals())
        assert (edge.radio_link, edge.device) == (first.radio_link, first.device)


@pytest.mark.parametrize("privacy", [Privacy.FEATURES, Privacy.ANY])
def test_the_rows_do_not_depend_on_the_number_of_workers(privacy):
    setting = Setting(privacy=privacy, tasks=10, seeds=1)
    cells = [CELL, Cell("a", "3g", 0.85, 500_000_000)]
    reported = []
    found = []
    for workers in (1, 2):
        with worker_pool(workers, lambda *progress: reported.append(progress)) as pool:
            found.append(sweep("cells", setting, cells, systems(), pool))
    assert found[0] == found[1]
    assert reported == [("cells", 1, 2), ("cells", 2, 2)] * 2


def test_a_cell_below_a_baseline_is_reported_if_the_difference_is_significant():
    def row(policy, by_seed, mode="energy"):
        e3 = sum(by_seed) / len(by_seed)
        cell = {"set": "a", "link": "wifi", "trace": "", "qor": 0.75, "qos": 84.0}
        return cell | {
            "policy": policy, "mode": mode, "e3": e3, "e3_by_seed": by_seed, "success": 1.0,
            "oracle_e3_right": 3.05,
        }  # fmt: skip

    ours = [row("mc", [1.0, 1.1, 1.0]), row("mc", [0.2, 0.2, 0.2], "performance")]
    clear, unclear = row("server", [2.0, 2.1, 2.0]), row("ddnn", [1.0, 1.0, 1.5])
    (found,) = below([*ours, clear, unclear, row("mc-paper", [9.0, 9.0, 9.0])])
    assert (found["baseline"], found["e3_ratio"]) == ("server", pytest.approx(3.1 / 6.1))
    assert found["oracle_e3_ratio"] == pytest.approx(1.5)


def test_cells_that_the_oracle_cannot_serve_are_not_counted():
    cell = {"set": "a", "link": "4g", "trace": "", "policy": "mc", "mode": "energy"}
    rows = [
        cell | {"oracle_success": 1.0, "oracle_ratio": 0.8},
        cell | {"oracle_success": 0.5, "oracle_ratio": 1.0},
        cell | {"oracle_success": 0.0, "oracle_ratio": 1.0},
    ]
    (group,) = by_link(rows)
    assert (group["mean"], group["min"], group["cells"]) == (pytest.approx(0.9), 0.8, 2)


def test_systems_are_named_by_mode_if_they_depend_on_it():
    assert System("mc", Mode.ENERGY).name == "mc, energy"
    assert System("server", Mode.ENERGY).name == "server"
