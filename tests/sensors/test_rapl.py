"""RAPL's counters: mean power between two readings, also when a counter restarts."""

from pathlib import Path

import pytest

from mc_sched.sensors.rapl import Rapl, used_uj
from mc_sched.sensors.sensor import BadReading, SensorAbsent, SensorLost
from tests.sensors.sysfs import HandClock, zone


@pytest.fixture
def clock():
    return HandClock()


def test_power_is_the_mean_since_the_previous_reading(tmp_path, clock):
    counter = zone(tmp_path, "0", "package-0", 1_000_000)
    sensor = Rapl(tmp_path, clock)
    assert sensor.read().power_w is None
    clock.forward(0.1)
    counter.write_text("3500000")
    assert sensor.read().power_w == pytest.approx(25.0)
    clock.forward(0.001)  # too soon for a new reading
    assert sensor.read().power_w == pytest.approx(25.0)


def test_packages_and_their_memory_add_up_without_counting_twice(tmp_path, clock):
    zones = {"0": "package-0", "0:0": "core", "0:1": "dram", "1": "package-1", "2": "psys"}
    counters = [zone(tmp_path, number, name, 0) for number, name in zones.items()]
    sensor = Rapl(tmp_path, clock)
    clock.forward(1)
    for counter in counters:
        counter.write_text("2000000")
    reading = sensor.read()
    assert reading.power_w == pytest.approx(6.0)
    assert set(reading.rails_w) == {"package-0", "dram", "package-1"}


def test_a_counter_that_restarts_is_followed(tmp_path, clock):
    counter = zone(tmp_path, "0", "package-0", 999_000, range_uj=1_000_000)
    sensor = Rapl(tmp_path, clock)
    clock.forward(1)
    counter.write_text("4000")
    assert sensor.read().power_w == pytest.approx(0.005)


@pytest.mark.parametrize("range_uj", [None, 100])
def test_a_counter_that_falls_without_a_restart_is_one_bad_reading(tmp_path, clock, range_uj):
    counter = zone(tmp_path, "0", "package-0", 1_000, range_uj)
    sensor = Rapl(tmp_path, clock)
    clock.forward(1)
    counter.write_text("10")
    with pytest.raises(BadReading, match="fell from 1000 to 10"):
        sensor.read()
    clock.forward(1)
    counter.write_text("1000010")
    assert sensor.read().power_w == pytest.approx(1.0)


def test_used_is_never_negative():
    assert [used_uj(5, 9, 10), used_uj(9, 5, 10), used_uj(5, 5, None)] == [4, 6, 0]


def test_a_counter_for_root_only_names_the_remedy(tmp_path, clock, monkeypatch):
    zone(tmp_path, "0", "package-0", 1)

    def refuse(self, **_):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return "package-0"

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SensorAbsent, match="readable by root only"):
        Rapl(tmp_path, clock)


def test_without_powercap_or_a_counter_the_sensor_is_absent(tmp_path, clock):
    with pytest.raises(SensorAbsent, match="no RAPL"):
        Rapl(tmp_path, clock)
    zone(tmp_path, "0", "package-0", "1,5")
    with pytest.raises(SensorAbsent, match="not an integer"):
        Rapl(tmp_path, clock)


def test_a_counter_that_disappears_loses_the_sensor(tmp_path, clock):
    counter = zone(tmp_path, "0", "package-0", 1)
    sensor = Rapl(tmp_path, clock)
    counter.unlink()
    clock.forward(1)
    with pytest.raises(SensorLost):
        sensor.read()
