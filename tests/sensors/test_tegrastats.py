"""Lines of tegrastats from the supported boards, complete, truncated and invalid; its process."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.sensors.sensor import BadReading, Reading, SensorAbsent, SensorLost
from mc_sched.sensors.tegrastats import Tegrastats, parse_line
from tests.sensors.sysfs import HandClock

TX1 = (
    "RAM 1179/3983MB (lfb 433x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@102,4%@102,0%@102,0%@102] "
    "EMC_FREQ 7%@408 GR3D_FREQ 0%@76 APE 25 PLL@28C CPU@29.5C "
    "VDD_IN 2532/2698 VDD_CPU 76/178 VDD_GPU 19/19"
)
NANO = (
    "RAM 1903/3964MB (lfb 2x2MB) SWAP 0/1982MB (cached 0MB) CPU [9%@921,off,off,13%@921] "
    "EMC_FREQ 0% GR3D_FREQ 45% PLL@33C POM_5V_IN 1022/1022 POM_5V_GPU 0/0 POM_5V_CPU 123/140"
)
XAVIER_NX = (
    "07-09-2024 13:31:31 RAM 3168/6851MB (lfb 22x4MB) SWAP 0/3425MB (cached 0MB) "
    "CPU [2%@1190,1%@1190,off,off,off,off] EMC_FREQ 0%@1600 GR3D_FREQ 7%@[114] "
    "VDD_IN 2763mW/2846mW VDD_CPU_GPU_CV 375mW/389mW VDD_SOC 944mW/941mW"
)
AGX_ORIN = (
    "RAM 2801/30536MB (lfb 6x4MB) CPU [0%@729,50%@729,off,off] GR3D_FREQ 100%@[305,305] "
    "VDD_GPU_SOC 3205mW/3205mW VDD_CPU_CV 4405mW/4405mW VIN_SYS_5V0 4767mW/4767mW NC 0mW/0mW"
)


@pytest.mark.parametrize(
    ("line", "power_w", "gpu", "cpu"),
    [
        (TX1, 2.532, 0.0, 0.0125),
        (NANO, 1.022, 0.45, 0.11),
        (XAVIER_NX, 2.763, 0.07, 0.015),
        (AGX_ORIN, 3.205 + 4.405 + 4.767, 1.0, 0.25),
    ],
)
def test_each_board_has_a_total_and_a_load(line, power_w, gpu, cpu):
    reading = parse_line(line)
    assert reading.power_w == pytest.approx(power_w)
    assert reading.gpu_busy == pytest.approx(gpu)
    assert reading.cpu_busy == pytest.approx(cpu)


def test_memory_is_not_a_rail():
    assert parse_line(TX1).rails_w == {"VDD_IN": 2.532, "VDD_CPU": 0.076, "VDD_GPU": 0.019}
    assert set(parse_line(NANO).rails_w) == {"POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"}


def test_cores_that_are_all_off_have_no_load():
    assert parse_line("CPU [off,off] VDD_IN 1/1").cpu_busy is None
    assert parse_line("VDD_IN 1/1").gpu_busy is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "RAM 1179/3983MB",
        "VDD_BRAIN 2532/2698 VDD_CPU 76/178",
        "VDD_IN 2,763mW/2,846mW",
        "VDD_IN 2.763mW/2.846mW",
        "VDD_IN -5mW/2mW",
        "VDD_IN ٢٥٣٢/٢٦٩٨",
        "VDD_IN 27",
        "VDD_GPU_SOC 3205mW/3205mW VDD_CPU_CV 4405mW/4405mW",
        "\x00\ufffd VDD_INX 1/1",
    ],
)
def test_a_line_without_a_known_total_is_a_bad_reading(line):
    with pytest.raises(BadReading, match="no known total among the rails"):
        parse_line(line)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.sampled_from((TX1, NANO, XAVIER_NX, AGX_ORIN)), st.integers(0, 400), st.integers(0, 400))
def test_a_truncated_line_has_the_same_values_or_none(line, start, length):
    """A number whose end was cut off is never read as a smaller one."""
    try:
        cut = parse_line(line[start : start + length])
    except BadReading:
        return
    assert cut.power_w == pytest.approx(parse_line(line).power_w)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=80))
def test_any_text_is_a_reading_or_a_bad_reading(text):
    try:
        parse_line(f"VDD_IN {text} GR3D_FREQ {text} CPU [{text}]")
    except BadReading:
        return


# --- the process ------------------------------------------------------------------------------


def spoken(text, then="import time; time.sleep(60)", clock=time.monotonic_ns):
    """A program that stands in for tegrastats."""
    program = f"import sys; sys.stdout.write({text!r}); sys.stdout.flush(); {then}"
    return Tegrastats((sys.executable, "-c", program), clock)


def heard(sensor):
    """Return the first reading that is not empty."""
    for _ in range(2000):
        if (reading := sensor.read()) != Reading():
            return reading
        time.sleep(0.01)
    raise AssertionError("it wrote nothing")


def test_the_last_complete_line_counts():
    sensor = spoken(f"{NANO}\n{TX1}\n{XAVIER_NX[:150]}")
    try:
        assert heard(sensor).power_w == pytest.approx(2.532)
        assert sensor.read().power_w == pytest.approx(2.532)
    finally:
        sensor.close()


def test_a_process_that_ended_is_lost():
    sensor = spoken("", then="sys.exit(3)")
    sensor._process.wait()
    with pytest.raises(SensorLost, match="code 3"):
        sensor.read()
    sensor.close()


def test_a_silent_process_is_lost():
    clock = HandClock()
    sensor = spoken("", clock=clock)
    try:
        assert sensor.read() == Reading()
        clock.forward(6)
        with pytest.raises(SensorLost, match="nothing for 5 s"):
            sensor.read()
    finally:
        sensor.close()


def test_without_tegrastats_the_sensor_is_absent():
    with pytest.raises(SensorAbsent, match="JetPack"):
        Tegrastats(("no-such-tegrastats",))
