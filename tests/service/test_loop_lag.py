"""The lag of an event loop, with a loop and a clock that the test moves."""

import asyncio
import time

import pytest

from mc_sched.service.loop_lag import INTERVAL_NS, RECENT_NS, LoopLag

MS = 10**6


class HandLoop:
    """A loop that runs its timers and callbacks when the test asks for it."""

    def __init__(self):
        self.now_ns, self.timers, self.soon = 0, [], []

    def call_later(self, delay_s, callback):
        handle = asyncio.TimerHandle(self.now_ns / 1e9 + delay_s, callback, (), self)
        self.timers.append(handle)
        return handle

    def call_soon(self, callback):
        self.soon.append(callback)

    def _timer_handle_cancelled(self, handle):
        self.timers.remove(handle)

    def get_debug(self):
        return False

    def turn(self):
        """Run what is due, as one turn of a loop does."""
        soon, self.soon = self.soon, []
        due = [handle for handle in self.timers if handle.when() <= self.now_ns / 1e9 + 1e-9]
        self.timers = [handle for handle in self.timers if handle not in due]
        for handle in due:
            handle._run()
        for callback in soon:
            callback()


@pytest.fixture
def loop():
    return HandLoop()


@pytest.fixture
def lag(loop):
    lag = LoopLag(loop, lambda: loop.now_ns)
    lag.start()
    return lag


def test_a_loop_that_is_in_time_has_no_lag(loop, lag):
    for _ in range(10):
        loop.now_ns += INTERVAL_NS
        loop.turn()
        assert lag.recent_ns() == 0


def test_a_timer_that_fires_late_shows_the_lag_for_a_second(loop, lag):
    loop.now_ns += INTERVAL_NS + 30 * MS
    loop.turn()
    assert lag.recent_ns() == 30 * MS
    loop.now_ns += INTERVAL_NS
    loop.turn()
    assert lag.recent_ns() == 30 * MS
    for _ in range(RECENT_NS // INTERVAL_NS):
        loop.now_ns += INTERVAL_NS
        loop.turn()
    assert lag.recent_ns() == 0


def test_a_timer_that_is_overdue_shows_the_lag_of_the_current_turn(loop, lag):
    loop.now_ns += INTERVAL_NS + 50 * MS
    assert lag.recent_ns() == 50 * MS
    loop.now_ns += 10 * MS
    assert lag.recent_ns() == 60 * MS


def test_a_turn_with_work_is_measured_although_no_timer_is_due(loop, lag):
    lag.touch()
    loop.now_ns += 20 * MS
    lag.touch()
    assert len(loop.soon) == 1
    loop.turn()
    assert lag.recent_ns() == 20 * MS
    lag.touch()
    assert len(loop.soon) == 1


def test_nothing_is_measured_after_the_end(loop, lag):
    lag.stop()
    assert loop.timers == []
    loop.now_ns += 10 * RECENT_NS
    assert lag.recent_ns() == 0


async def test_a_real_loop_that_is_blocked_lags():
    lag = LoopLag(asyncio.get_running_loop())
    lag.start()
    lag.touch()
    time.sleep(0.03)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lag.stop()
    assert lag.recent_ns() >= 30 * MS
