"""NVML through pynvml: on a server, on a Jetson and when it fails."""

from types import SimpleNamespace

import pytest

from mc_sched.sensors.nvml import Nvml
from mc_sched.sensors.sensor import SensorAbsent, SensorLost


class NVMLError(Exception):
    """Stands in for pynvml's."""


class FakeNvml:
    """The part of pynvml in use; `broken` names the calls that fail."""

    NVMLError = NVMLError
    NVML_SUCCESS = 0
    NVML_FI_DEV_POWER_INSTANT = 186

    def __init__(self, milliwatts=(60_000, 40_000), busy=(50, 100), broken=()):
        self.milliwatts, self.busy, self.broken = milliwatts, busy, set(broken)
        self.open = False

    def _call(self, name):
        if name in self.broken:
            raise NVMLError("Not Supported")

    def nvmlInit(self):  # noqa: N802 - NVML's names
        self._call("init")
        self.open = True

    def nvmlShutdown(self):  # noqa: N802
        self.open = False

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.milliwatts)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetFieldValues(self, gpu, fields):  # noqa: N802
        self._call("instant")
        value = SimpleNamespace(uiVal=self.milliwatts[gpu])
        return [SimpleNamespace(nvmlReturn=0, value=value)]

    def nvmlDeviceGetPowerUsage(self, gpu):  # noqa: N802
        self._call("power")
        return self.milliwatts[gpu] + 1000

    def nvmlDeviceGetUtilizationRates(self, gpu):  # noqa: N802
        self._call("busy")
        return SimpleNamespace(gpu=self.busy[gpu])


def test_the_power_is_the_sum_of_all_gpus():
    reading = Nvml(FakeNvml).read()
    assert reading.power_w == pytest.approx(100.0)
    assert reading.rails_w == {"gpu0": 60.0, "gpu1": 40.0}
    assert reading.gpu_busy == pytest.approx(0.75)


def test_a_driver_without_instant_power_gives_the_mean():
    sensor = Nvml(lambda: FakeNvml(broken={"instant"}))
    assert sensor.read().power_w == pytest.approx(102.0)


def test_power_is_read_even_without_load():
    assert Nvml(lambda: FakeNvml(broken={"busy"})).read().gpu_busy is None


def test_nvml_that_supports_no_query_is_absent_and_closed():
    api = FakeNvml(broken={"instant", "power"})
    with pytest.raises(SensorAbsent, match="cannot read the power of this GPU: Not Supported"):
        Nvml(lambda: api)
    assert not api.open


def test_without_library_driver_or_gpu_the_sensor_is_absent():
    def missing():
        raise ModuleNotFoundError("No module named 'pynvml'")

    with pytest.raises(SensorAbsent, match="pip install nvidia-ml-py"):
        Nvml(missing)
    with pytest.raises(SensorAbsent, match="NVML: Not Supported"):
        Nvml(lambda: FakeNvml(broken={"init"}))
    with pytest.raises(SensorAbsent, match="no GPU"):
        Nvml(lambda: FakeNvml(milliwatts=()))


def test_a_gpu_that_falls_off_the_bus_loses_the_sensor():
    api = FakeNvml()
    sensor = Nvml(lambda: api)
    api.broken = {"instant", "power"}
    with pytest.raises(SensorLost, match="Not Supported"):
        sensor.read()
