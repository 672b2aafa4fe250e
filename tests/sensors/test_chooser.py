"""The best sensor is used, the next best when it fails, and each change is reported once."""

import contextlib
from pathlib import Path

import pytest

from mc_sched.sensors.chooser import LOAD, PATIENCE, POWER, Candidate, Chooser
from mc_sched.sensors.inventory import all_candidates, power_candidates
from mc_sched.sensors.sensor import BadReading, Reading, SensorAbsent, SensorLost
from tests.sensors.sysfs import HandClock


class HandSensor:
    """A sensor whose presence and value the test sets; a value that is an exception is raised."""

    def __init__(self, name, value=5.0, present=True):
        self.name, self.value, self.present = name, value, present
        self.opened = 0

    def open(self):
        if not self.present:
            raise SensorAbsent("not on this machine")
        self.opened += 1
        return self

    def read(self):
        if isinstance(self.value, Exception):
            raise self.value
        return Reading(power_w=self.value)

    def close(self):
        self.opened -= 1


class Rig:
    """A chooser over two sensors."""

    def __init__(self):
        self.best, self.second = HandSensor("best"), HandSensor("second", 7.0)
        self.clock, self.reports = HandClock(), []
        candidates = [Candidate(s.name, s.open) for s in (self.best, self.second)]
        self.chooser = Chooser(POWER, candidates, self.reports.append, self.clock)

    def read(self, seconds=0.1):
        self.clock.forward(seconds)
        sample = self.chooser.read()
        return sample and (sample.source, sample.value)


@pytest.fixture
def rig():
    return Rig()


def test_the_best_sensor_is_used(rig):
    assert rig.read() == ("best", 5.0)
    assert rig.reports == ["power comes from best"]
    assert rig.second.opened == 0


def test_the_next_best_replaces_a_lost_sensor_at_once_with_one_report(rig):
    rig.read()
    rig.best.value = SensorLost("its file has gone")
    assert [rig.read() for _ in range(30)] == [("second", 7.0)] * 30
    assert rig.reports[1:] == ["sensor best is lost: its file has gone", "power comes from second"]
    assert rig.best.opened == 0


def test_a_sensor_that_recovers_is_used_again_after_a_pause(rig):
    rig.read()
    rig.best.value = SensorLost("gone")
    rig.read()
    rig.best.value = 4.0
    assert rig.read(1) == ("second", 7.0)
    assert rig.read(5) == ("best", 4.0)
    assert (rig.best.opened, rig.second.opened) == (1, 0)


def test_a_better_sensor_that_appears_late_is_used(rig):
    rig.best.present = False
    assert rig.read() == ("second", 7.0)
    rig.best.present = True
    assert rig.read(6) == ("best", 5.0)
    assert rig.reports == ["power comes from second", "power comes from best"]


def test_a_sensor_that_fails_repeatedly_is_tried_less_and_less_often(rig):
    rig.best.value = SensorLost("loose contact")
    for second in range(3600):
        rig.second.value = 7.0 + second % 2
        assert rig.read(1) == ("second", rig.second.value)
    assert sum("is lost" in report for report in rig.reports) < 25


def test_without_a_sensor_there_is_no_sample_and_one_report(rig):
    rig.best.present = rig.second.present = False
    assert [rig.read() for _ in range(9)] == [None] * 9
    assert rig.reports == ["no sensor measures the power"]


@pytest.mark.parametrize("watts", [0.0, 1e9, 1e6, -3.0, float("nan"), float("inf")])
def test_implausible_values_are_dropped_with_one_report(rig, watts):
    rig.read()
    rig.best.value = watts
    assert [rig.read() for _ in range(5)] == [None] * 5
    rig.best.value = 6.0
    assert rig.read() == ("best", 6.0)
    assert len(rig.reports) == 2
    assert "is outside the plausible range; such readings are dropped" in rig.reports[1]


@pytest.mark.parametrize("value", [0.0, None, BadReading("half a line")])
def test_a_sensor_without_useful_values_for_long_counts_as_dead(rig, value):
    rig.read()
    rig.best.value = value
    samples = [rig.read() for _ in range(PATIENCE)]
    assert samples == [None] * (PATIENCE - 1) + [("second", 7.0)]
    assert f"no power in {PATIENCE} readings" in "".join(rig.reports)


def test_errors_of_a_library_are_not_raised(rig):
    rig.best.value = ZeroDivisionError("division by zero")
    assert rig.read() == ("second", 7.0)
    assert "sensor best is lost: ZeroDivisionError: division by zero" in rig.reports


def test_closing_it_closes_the_sensor(rig):
    rig.read()
    rig.chooser.close()
    assert rig.best.opened == 0


def test_a_load_is_a_share():
    assert LOAD.checked(Reading(busy_by_others=1.0)) == 1.0
    with pytest.raises(BadReading, match="load"):
        LOAD.checked(Reading(busy_by_others=1.5))


# --- candidates ---------------------------------------------------------------------------------


def names(candidates):
    return [candidate.name for candidate in candidates]


def test_a_sensor_that_does_not_cover_the_work_is_a_candidate_only_by_name():
    jetson = ["jetson-ina3221", "jetson-tegrastats"]
    assert names(power_candidates(on_gpu=True)) == [*jetson, "nvml"]
    assert names(power_candidates(on_gpu=False)) == [*jetson, "rapl"]
    assert names(power_candidates(False, "nvml")) == ["nvml"]


@pytest.mark.parametrize("candidate", all_candidates(Path("/nowhere")), ids=lambda c: c.name)
def test_every_sensor_opens_or_is_absent(candidate):
    with contextlib.suppress(SensorAbsent):
        candidate.open().close()


# --- values that never change -----------------------------------------------------------------


def minutes(rig, count=1.0):
    return [rig.read() for _ in range(round(count * 600))]


def test_a_power_that_is_constant_for_a_minute_is_a_dead_sensors(rig):
    for number in range(700):
        rig.second.value = 7.0 + number % 2
        rig.read()
    assert rig.read()[0] == "second"
    assert rig.reports[1:3] == [
        "sensor best is lost: power is stuck at 5 W", "power comes from second"
    ]  # fmt: skip


def test_a_sensor_that_is_still_stuck_is_detected_at_once(rig):
    sources = []
    for number in range(3000):
        rig.second.value = 7.0 + number % 2
        sources.append(rig.read()[0])
    assert sources.index("second") == pytest.approx(600, abs=2)
    assert "best" not in sources[sources.index("second") :]


def test_a_stuck_sensor_is_used_again_once_its_value_changes(rig):
    for number in range(700):
        rig.second.value = 7.0 + number % 2
        rig.read()
    rig.best.value = 5.5
    assert "best" in {source for source, _ in minutes(rig, 0.5)}


def test_a_load_may_be_constant():
    clock = HandClock()
    idle = HandSensor("cpu")
    idle.read = lambda: Reading(busy_by_others=0.0)
    chooser = Chooser(LOAD, [Candidate("cpu", idle.open)], lambda _: None, clock)
    for _ in range(700):
        clock.forward(0.1)
        assert chooser.read().value == 0.0
