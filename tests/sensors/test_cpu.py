"""The processor's load by this process and by others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.sensors.cpu import CpuLoad, CpuTimes, cpu_times, load_between

SECONDS = st.floats(0, 1e9)


def test_time_that_is_neither_idle_nor_own_is_by_others():
    load = load_between(CpuTimes(100, 50, 1), CpuTimes(104, 51, 2))
    assert (load.cpu_busy, load.busy_by_others) == (pytest.approx(0.75), pytest.approx(0.5))


def test_too_short_a_time_gives_no_load():
    assert load_between(CpuTimes(100, 50, 1), CpuTimes(100.01, 50, 1)) is None
    assert load_between(CpuTimes(100, 50, 1), CpuTimes(90, 50, 1)) is None


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.builds(CpuTimes, SECONDS, SECONDS, SECONDS), st.builds(CpuTimes, SECONDS, SECONDS, SECONDS)
)
def test_shares_are_in_range_for_any_counters(before, now):
    load = load_between(before, now)
    assert load is None or 0 <= load.busy_by_others <= load.cpu_busy <= 1


def test_this_machine_has_counters():
    before = cpu_times()
    assert 0 < before.own_s < before.total_s
    assert 0 <= before.idle_s <= before.total_s
    assert CpuLoad().read().power_w is None
