"""The sampler: power is noted, and the load is reported and delivers the noted samples."""

import asyncio

import pytest

from edge_agent.sampler import Sampler
from mc_sched.core import events as ev
from mc_sched.sensors.chooser import Sample
from mc_sched.sensors.sensor import Reading
from tests.edge_agent.edge_rig import Rig, until

MS = 1_000_000


class HandChooser:
    """A sensor with the values of the test."""

    def __init__(self, value, source="rapl"):
        self.value, self.source, self.closed = value, source, False

    def read(self):
        return None if self.value is None else Sample(self.value, self.source, Reading())

    def close(self):
        self.closed = True


@pytest.fixture
def reports():
    return {"noted": [], "reported": []}


def sampler(power, load, reports):
    return Sampler(power, load, 10 * MS, reports["noted"].append, reports["reported"].append)


def test_the_first_sample_is_reported_with_the_load_and_the_next_is_noted(reports):
    sampling = sampler(HandChooser(5.0), HandChooser(0.25, "cpu"), reports)
    sampling.sample()
    power, load = reports["reported"]
    assert (power.power_w, power.source, load.busy) == (5.0, "rapl", 0.25)
    assert power.now_ns <= load.now_ns
    sampling.sample()
    assert len(reports["reported"]) == 2
    assert [event.power_w for event in reports["noted"]] == [5.0]


def test_a_sensor_that_cannot_be_read_feeds_no_event(reports):
    sampler(HandChooser(None), HandChooser(None), reports).sample()
    sampler(None, None, reports).sample()
    assert reports == {"noted": [], "reported": []}


async def test_samples_reach_the_machine_and_its_status():
    rig = Rig()
    power, load = HandChooser(5.0), HandChooser(0.25, "cpu")
    sampling = Sampler(power, load, 10 * MS, rig.driver.note, rig.driver.report)
    sampling.start()
    await until(lambda: rig.driver.snapshot().busy_by_others == 0.25)
    await until(lambda: rig.driver.snapshot().energy_measured_j > 0)
    shown = rig.driver.snapshot()
    assert (shown.power_w, shown.energy_source) == (5.0, "rapl")
    await asyncio.to_thread(sampling.close)
    assert power.closed
    assert load.closed
    assert {"PowerSampled", "DeviceSampled"} <= {r["name"] for r in rig.records}
    assert isinstance(rig.machine.handle(ev.Drain(2**62)), list)
