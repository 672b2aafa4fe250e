"""The meter of a machine whose power is only shown, and who is asked for it."""

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
    """Over the rails of a made-up board."""
    return Chooser(POWER, [Candidate("jetson-ina3221", lambda: Ina3221(root))], lambda words: None)


def test_rails_or_the_sensor_itself():
    assert rails_of(None) == {}
    assert rails_of(Sample(61.0, "nvml", Reading(61.0))) == {"nvml": 61.0}
    assert rails_of(Sample(61.0, "nvml", Reading(61.0, {"gpu0": 61.0}))) == {"gpu0": 61.0}


def test_a_look_shows_every_rail_and_a_lost_sensor_none(tmp_path):
    folder = monitor(tmp_path, RAILS)
    meter = PowerMeter(chooser(tmp_path))
    assert meter.rails_w == {}
    meter.look()
    assert meter.rails_w == pytest.approx({"VDD_IN": 4.0, "VDD_CPU": 1.0})
    for file in folder.iterdir():
        file.unlink()
    meter.look()
    assert meter.rails_w == {}


def test_it_looks_by_itself_and_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(metering, "LOOK_EVERY_S", 0.01)
    monitor(tmp_path, RAILS)
    with contextlib.closing(PowerMeter(chooser(tmp_path))) as meter:
        meter.start()
        until = time.monotonic() + 10
        while not meter.rails_w and time.monotonic() < until:
            time.sleep(0.01)
    assert meter.rails_w
    assert not meter._thread.is_alive()


def test_without_a_sensor_it_shows_nothing():
    with contextlib.closing(PowerMeter(None)) as meter:
        meter.start()
        meter.look()
    assert meter.rails_w == {}


def test_who_is_asked():
    assert power_chooser("none", False, print) is None
    said = []
    for name in POWER_NAMES:
        asked = power_chooser(name, False, said.append)
        assert [place.candidate.name for place in asked._places] == [name]
    (best, *_) = power_chooser("auto", True, said.append)._places
    assert best.candidate.name == POWER_NAMES[0]
