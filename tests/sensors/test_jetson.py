"""Rails and GPU load in the kernel's files of a Jetson."""

import pytest

from mc_sched.sensors.ina3221 import Ina3221
from mc_sched.sensors.jetson_gpu import JetsonGpu
from mc_sched.sensors.sensor import BadReading, SensorAbsent, SensorLost
from tests.sensors.sysfs import monitor, write

ORIN_NANO = [("VDD_IN", 4968, 1000), ("VDD_CPU_GPU_CV", 4968, 200), ("VDD_SOC", 4960, 250)]


def test_watts_are_volts_times_amperes(tmp_path):
    monitor(tmp_path, ORIN_NANO)
    reading = Ina3221(tmp_path).read()
    assert reading.power_w == pytest.approx(4.968)
    assert reading.rails_w["VDD_SOC"] == pytest.approx(1.24)


def test_the_total_of_a_board_without_an_input_rail_is_the_sum_of_three(tmp_path):
    monitor(tmp_path, [("VDD_GPU_SOC", 5000, 100), ("VDD_CPU_CV", 5000, 200), ("NC", 1, 1)])
    monitor(tmp_path, [("VIN_SYS_5V0", 5000, 300), ("VDDQ_VDD2", 5000, 50)], number=1)
    reading = Ina3221(tmp_path).read()
    assert reading.power_w == pytest.approx(3.0)
    assert "NC" not in reading.rails_w


def test_without_a_monitor_the_sensor_is_absent(tmp_path):
    with pytest.raises(SensorAbsent, match="only a Jetson"):
        Ina3221(tmp_path)


def test_an_unknown_board_names_its_rails(tmp_path):
    monitor(tmp_path, [("VDD_BRAIN", 5000, 100)])
    with pytest.raises(
        SensorAbsent, match="not supported: no known total among the rails: VDD_BRAIN"
    ):
        Ina3221(tmp_path)


def test_a_rail_file_that_disappears_loses_the_sensor(tmp_path):
    folder = monitor(tmp_path, ORIN_NANO)
    sensor = Ina3221(tmp_path)
    (folder / "curr1_input").unlink()
    with pytest.raises(SensorLost, match="curr1_input cannot be read"):
        sensor.read()


@pytest.mark.parametrize("text", ["", "4,968", "4.968", "nan", "0x10", "٤", "1" * 5000])
def test_a_rail_file_without_a_number_loses_the_sensor(tmp_path, text):
    folder = monitor(tmp_path, ORIN_NANO)
    sensor = Ina3221(tmp_path)
    (folder / "in1_input").write_text(text)
    with pytest.raises(SensorLost):
        sensor.read()


def test_a_load_is_read_in_per_mille(tmp_path):
    write(tmp_path, "sys/class/devfreq/17000000.gpu/device/of_node/name", "ga10b\0")
    load = write(tmp_path, "sys/class/devfreq/17000000.gpu/device/load", 432)
    sensor = JetsonGpu(tmp_path)
    assert sensor.read().gpu_busy == pytest.approx(0.432)
    load.write_text("1001")
    with pytest.raises(BadReading, match="range is 0 to 1000"):
        sensor.read()
    load.write_text("12,5")
    with pytest.raises(BadReading, match="not an integer"):
        sensor.read()
    load.unlink()
    with pytest.raises(SensorLost):
        sensor.read()


def test_other_devfreq_devices_are_ignored(tmp_path):
    write(tmp_path, "sys/class/devfreq/emc/device/of_node/name", "emc")
    write(tmp_path, "sys/class/devfreq/emc/device/load", 432)
    with pytest.raises(SensorAbsent):
        JetsonGpu(tmp_path)
    write(tmp_path, "sys/devices/gpu.0/load", 100)
    assert JetsonGpu(tmp_path).read().gpu_busy == pytest.approx(0.1)
