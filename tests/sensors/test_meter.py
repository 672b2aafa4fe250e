"""The meter of a machine whose power is only displayed, and the choice of its sensor."""

import contextlib
import time

import pytest

from mc_sched.sensors import meter as metering
from mc_sched.sensors.chooser import POWER, Candidate, Chooser, Sample
from mc_sched.sensors.ina3221 import Ina3221
from mc_sched.sensors.inventory import POWER_NAMES, power_chooser
from mc_sched.sensors.meter import PowerMeter, rails_of
from mc_sched.sensors.sensor import Reading
from tests.sensors.sysfs import monitor

RAILS = [("VDD_IN", 5000, 800), ("VDD_CPU", 5000, 200)]


def chooser(root):
    """A chooser with the rails of an invented board."""
    return Chooser(
        POWER, [Candidate("jetson-ina3221", lambda: Ina3221(root))], lambda message: None
    )


def test_rails_or_the_sensor_itself():
    assert rails_of(None) == {}
    assert rails_of(Sample(61.0, "nvml", Reading(61.0))) == {"nvml": 61.0}
    assert rails_of(Sample(61.0, "nvml", Reading(61.0, {"gpu0": 61.0}))) == {"gpu0": 61.0}


def test_a_sample_has_every_rail_and_none_of_a_lost_sensor(tmp_path):
    folder = monitor(tmp_path, RAILS)
    meter = PowerMeter(chooser(tmp_path))
    assert meter.rails_w == {}
    meter.sample()
    assert meter.rails_w == pytest.approx({"VDD_IN": 4.0, "VDD_CPU": 1.0})
    for file in folder.iterdir():
        file.unlink()
    meter.sample()
    assert meter.rails_w == {}


def test_it_samples_by_itself_until_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(metering, "SAMPLE_INTERVAL_S", 0.01)
    monitor(tmp_path, RAILS)
    with contextlib.closing(PowerMeter(chooser(tmp_path))) as meter:
        meter.start()
        until = time.monotonic() + 10
        while not meter.rails_w and time.monotonic() < until:
            time.sleep(0.01)
    assert meter.rails_w
    assert not meter._thread.is_alive()


def test_without_a_sensor_it_has_no_rails():
    with contextlib.closing(PowerMeter(None)) as meter:
        meter.start()
        meter.sample()
    assert meter.rails_w == {}


def test_the_configured_sensor_is_chosen():
    assert power_chooser("none", False, print) is None
    reports = []
    for name in POWER_NAMES:
        chosen = power_chooser(name, False, reports.append)
        assert [slot.candidate.name for slot in chosen._slots] == [name]
    (best, *_) = power_chooser("auto", True, reports.append)._slots
    assert best.candidate.name == POWER_NAMES[0]
