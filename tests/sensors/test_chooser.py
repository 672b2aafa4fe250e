"""Best first, the next best when it dies, and a word about it, once."""

import contextlib
from pathlib import Path

import pytest

from mc_sched.sensors.chooser import LOAD, PATIENCE, POWER, Candidate, Chooser
from mc_sched.sensors.inventory import all_candidates, power_candidates
from mc_sched.sensors.sensor import BadReading, Reading, SensorAbsent, SensorLost
from tests.sensors.sysfs import HandClock


class HandSensor:
    """A sensor that is there, and says, what the test wants; an exception is raised."""

    def __init__(self, name, says=5.0, here=True):
        self.name, self.says, self.here = name, says, here
        self.opened = 0

    def open(self):
        if not self.here:
            raise SensorAbsent("not on this machine")
        self.opened += 1
        return self

    def read(self):
        if isinstance(self.says, Exception):
            raise self.says
        return Reading(power_w=self.says)

    def close(self):
        self.opened -= 1


class Rig:
    """A chooser over two sensors."""

    def __init__(self):
        self.best, self.second = HandSensor("best"), HandSensor("second", 7.0)
        self.clock, self.said = HandClock(), []
        candidates = [Candidate(s.name, s.open) for s in (self.best, self.second)]
        self.chooser = Chooser(POWER, candidates, self.said.append, self.clock)

    def read(self, seconds=0.1):
        self.clock.forward(seconds)
        sample = self.chooser.read()
        return sample and (sample.source, sample.value)


@pytest.fixture
def rig():
    return Rig()


def test_the_best_speaks(rig):
    assert rig.read() == ("best", 5.0)
    assert rig.said == ["power comes from best"]
    assert rig.second.opened == 0


def test_when_it_dies_the_next_best_takes_over_at_once_and_it_is_said_once(rig):
    rig.read()
    rig.best.says = SensorLost("its file has gone")
    assert [rig.read() for _ in range(30)] == [("second", 7.0)] * 30
    assert rig.said[1:] == ["sensor best is lost: its file has gone", "power comes from second"]
    assert rig.best.opened == 0


def test_one_that_comes_back_is_taken_again_after_a_pause(rig):
    rig.read()
    rig.best.says = SensorLost("gone")
    rig.read()
    rig.best.says = 4.0
    assert rig.read(1) == ("second", 7.0)
    assert rig.read(5) == ("best", 4.0)
    assert (rig.best.opened, rig.second.opened) == (1, 0)


def test_one_that_appears_late_is_taken(rig):
    rig.best.here = False
    assert rig.read() == ("second", 7.0)
    rig.best.here = True
    assert rig.read(6) == ("best", 5.0)
    assert rig.said == ["power comes from second", "power comes from best"]


def test_one_that_dies_again_and_again_is_looked_for_less_and_less(rig):
    rig.best.says = SensorLost("loose contact")
    for second in range(3600):
        rig.second.says = 7.0 + second % 2
        assert rig.read(1) == ("second", rig.second.says)
    assert sum("is lost" in said for said in rig.said) < 25


def test_without_any_there_is_no_sample_and_one_word(rig):
    rig.best.here = rig.second.here = False
    assert [rig.read() for _ in range(9)] == [None] * 9
    assert rig.said == ["no sensor tells the power"]


@pytest.mark.parametrize("watts", [0.0, 1e9, 1e6, -3.0, float("nan"), float("inf")])
def test_what_cannot_be_is_left_out_with_one_warning(rig, watts):
    rig.read()
    rig.best.says = watts
    assert [rig.read() for _ in range(5)] == [None] * 5
    rig.best.says = 6.0
    assert rig.read() == ("best", 6.0)
    assert len(rig.said) == 2
    assert "cannot be; readings like this are left out" in rig.said[1]


@pytest.mark.parametrize("says", [0.0, None, BadReading("half a line")])
def test_one_that_says_nothing_of_use_for_long_is_dead(rig, says):
    rig.read()
    rig.best.says = says
    samples = [rig.read() for _ in range(PATIENCE)]
    assert samples == [None] * (PATIENCE - 1) + [("second", 7.0)]
    assert f"no power in {PATIENCE} readings" in "".join(rig.said)


def test_whatever_a_library_throws_does_not_come_through(rig):
    rig.best.says = ZeroDivisionError("division by zero")
    assert rig.read() == ("second", 7.0)
    assert "sensor best is lost: ZeroDivisionError: division by zero" in rig.said


def test_it_lets_go_of_its_sensor(rig):
    rig.read()
    rig.chooser.close()
    assert rig.best.opened == 0


def test_a_load_is_a_share():
    assert LOAD.checked(Reading(busy_by_others=1.0)) == 1.0
    with pytest.raises(BadReading, match="load"):
        LOAD.checked(Reading(busy_by_others=1.5))


# --- what there is ------------------------------------------------------------------------------


def names(candidates):
    return [candidate.name for candidate in candidates]


def test_a_meter_that_cannot_see_the_work_is_no_candidate_unless_asked_for():
    jetson = ["jetson-ina3221", "jetson-tegrastats"]
    assert names(power_candidates(on_gpu=True)) == [*jetson, "nvml"]
    assert names(power_candidates(on_gpu=False)) == [*jetson, "rapl"]
    assert names(power_candidates(False, "nvml")) == ["nvml"]


@pytest.mark.parametrize("candidate", all_candidates(Path("/nowhere")), ids=lambda c: c.name)
def test_every_sensor_opens_or_says_that_it_is_absent(candidate):
    with contextlib.suppress(SensorAbsent):
        candidate.open().close()


# --- a figure that never moves ----------------------------------------------------------------


def minutes(rig, count=1.0):
    return [rig.read() for _ in range(round(count * 600))]


def test_power_that_is_the_same_for_a_minute_is_a_dead_sensors(rig):
    for number in range(700):
        rig.second.says = 7.0 + number % 2
        rig.read()
    assert rig.read()[0] == "second"
    assert rig.said[1:3] == [
        "sensor best is lost: power is stuck at 5 W", "power comes from second"
    ]  # fmt: skip


def test_it_is_found_out_at_once_when_it_is_tried_again(rig):
    sources = []
    for number in range(3000):
        rig.second.says = 7.0 + number % 2
        sources.append(rig.read()[0])
    assert sources.index("second") == pytest.approx(600, abs=2)
    assert "best" not in sources[sources.index("second") :]


def test_and_taken_again_once_it_moves(rig):
    for number in range(700):
        rig.second.says = 7.0 + number % 2
        rig.read()
    rig.best.says = 5.5
    assert "best" in {source for source, _ in minutes(rig, 0.5)}


def test_a_load_may_stay_the_same_for_ever():
    clock = HandClock()
    idle = HandSensor("cpu")
    idle.read = lambda: Reading(busy_by_others=0.0)
    chooser = Chooser(LOAD, [Candidate("cpu", idle.open)], lambda _: None, clock)
    for _ in range(700):
        clock.forward(0.1)
        assert chooser.read().value == 0.0
