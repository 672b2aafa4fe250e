"""The tables of the T4 repeat what was measured, and continue it."""

import pytest

from mc_sched.sim import paper_networks, t4_networks
from mc_sched.sim.scenario import Scenario


def whole_ms(table, size):
    """Time of the network up to its last exit, for a batch."""
    stages = sum(table.stage_time_ns(stage, size) for stage in range(len(table.stage_ns)))
    return (stages + table.head_time_ns(table.exits[-1], size)) / 1e6


@pytest.mark.parametrize(
    ("name", "measured_ms"),
    [("t4-a", t4_networks.GOOGLENET_MS), ("t4-b", t4_networks.RESNET152_MS)],
)
def test_whole_networks_take_the_measured_time_in_each_batch(name, measured_ms):
    table = t4_networks.SETS[name][1]
    for size, ms in zip(t4_networks.MEASURED_SIZES, measured_ms, strict=True):
        assert whole_ms(table, size) == pytest.approx(ms, abs=1e-4)
    slope = (measured_ms[2] - measured_ms[1]) / 4
    assert whole_ms(table, 16) == pytest.approx(measured_ms[2] + 8 * slope, abs=1e-4)
    assert whole_ms(table, 32) == pytest.approx(measured_ms[2] + 24 * slope, abs=1e-4)


@pytest.mark.parametrize("letter", ["a", "b"])
def test_all_but_the_times_is_as_on_the_papers_server(letter):
    scenario = Scenario.model_validate({"networks": f"t4-{letter}"})
    (local, table), (paper_local, paper) = (
        scenario.own_tables(),
        paper_networks.SETS[f"paper-{letter}"],
    )
    assert local == paper_local
    assert [exit_.accuracy for exit_ in table.exits] == [exit_.accuracy for exit_ in paper.exits]
    assert [codec.payload_bytes for codec in table.codecs] == [
        codec.payload_bytes for codec in paper.codecs
    ]
    assert table.bundle_hash != paper.bundle_hash
