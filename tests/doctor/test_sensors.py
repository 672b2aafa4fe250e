"""Checks of the doctor on simulated machines."""

import json

import pytest

from mc_sched.doctor import node
from mc_sched.doctor import sensors as doctor
from mc_sched.sensors import inventory
from mc_sched.sensors.chooser import Candidate
from mc_sched.sensors.sensor import Reading, SensorAbsent, SensorLost


class HandSensor:
    """A sensor whose readings the test chooses."""

    def __init__(self, value):
        self.value = value

    def read(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def close(self):
        pass


def absent():
    raise SensorAbsent("only a Jetson has one")


@pytest.fixture
def machine(monkeypatch):
    """A machine with these sensors; the others are absent."""

    def has(**sensors):
        def power(on_gpu, only=None):
            blind = "rapl" if on_gpu else "nvml"
            names = [only] if only else [n for n in inventory.POWER_NAMES if n != blind]
            return [candidate(name) for name in names]

        def candidate(name):
            found = sensors.get(name.replace("-", "_"))
            return Candidate(name, absent if found is None else lambda: HandSensor(found))

        monkeypatch.setattr(inventory, "power_candidates", power)
        monkeypatch.setattr(inventory, "load_candidates", lambda: [candidate("cpu")])
        names = (*inventory.POWER_NAMES, "cpu", "jetson-gpu")
        monkeypatch.setattr(inventory, "all_candidates", lambda: [candidate(n) for n in names])
        monkeypatch.setattr(doctor, "BETWEEN_READINGS_S", 0)

    return has


@pytest.fixture(autouse=True)
def nothing_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(node, "INSTALLED", tmp_path / "etc")


LOAD = Reading(cpu_busy=0.5, busy_by_others=0.25)


def checks(run):
    ran = run("doctor", "--output", "json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["schema"] == "mc-sched/doctor/1"
    return {check["name"]: check for check in found["checks"]}


def test_the_best_sensor_that_can_see_the_work_is_used(run, machine):
    machine(rapl=Reading(12.5, {"package-0": 12.5}), nvml=Reading(60.0), cpu=LOAD)
    power, load = checks(run)["power"], checks(run)["load"]
    assert (power["state"], power["facts"]["used"]) == ("ok", {"cpu": "rapl", "gpu": "nvml"})
    assert (load["state"], load["facts"]["used"]) == ("ok", "cpu")
    sensors = {sensor["name"]: sensor for sensor in power["facts"]["sensors"]}
    assert sensors["rapl"]["reading"]["power_w"] == 12.5
    assert sensors["jetson-ina3221"] == {
        "name": "jetson-ina3221", "reading": None, "reason": "only a Jetson has one",
    }  # fmt: skip


def test_without_a_sensor_the_model_counts_and_a_remedy_is_named(run, machine):
    machine(cpu=LOAD)
    power = checks(run)["power"]
    assert (power["state"], power["facts"]["used"]) == ("warning", {"cpu": "model", "gpu": "model"})
    assert "under energy:" in power["remedy"]


def test_a_sensor_with_an_implausible_value_is_not_used(run, machine):
    machine(rapl=Reading(0.0), jetson_ina3221=SensorLost("a rail has gone"))
    found = checks(run)
    assert found["power"]["facts"]["used"]["cpu"] == "model"
    assert "a rail has gone" in json.dumps(found["power"])
    assert found["load"]["state"] == "warning"


def test_for_people_it_is_a_table_for_each_check(run, machine):
    machine(rapl=Reading(12.5, {"package-0": 12.5}), cpu=LOAD)
    ran = run("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert "12.50 W, package-0 12.50 W" in ran.out
    assert "CPU busy 50%, by others 25%" in ran.out
    assert "not usable: only a Jetson has one" in ran.out


def test_the_real_machine_has_every_check(run):
    found = checks(run)
    assert list(found) == ["python", "torch", "clock", "power", "load"]
    assert all(check["state"] in ("ok", "warning") for check in found.values())
