"""Waiting for the cloud's executor: the upper quantile learns what no piece of work explains."""

from random import Random
from types import SimpleNamespace

import pytest

from mc_sched.core.cloud.schedule import CloudSchedule
from mc_sched.core.predictors.batch_time import BatchTimes
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import Predictor
from tests.core.round_figures import CLOUD, MS, START_NS


class Waits:
    """Tasks that wait one after another, half a second apart."""

    def __init__(self):
        times = CloudTimePredictor(CLOUD, 0.95)
        self.schedule = CloudSchedule(times, BatchTimes(times, max_batch=1), 0.95)
        self.now_ns = START_NS

    def one(self, ahead_ms, took_ms):
        """The score of a task with so much work ahead that waited so long."""
        self.now_ns += 500 * MS
        expected = self.schedule.wait(self.now_ns, round(ahead_ms * MS))
        task = SimpleNamespace(decoded_ns=self.now_ns, expected_wait=expected)
        return self.schedule.waited(task, self.now_ns + round(took_ms * MS))


@pytest.fixture
def waits():
    return Waits()


def test_the_mean_is_the_work_ahead_and_the_quantile_not_below(waits):
    found = waits.one(5, 7)
    assert (found.predictor, found.mean_ns) == (Predictor.QUEUE, 5 * MS)
    assert found.upper_ns >= 5 * MS


def test_what_a_short_wait_is_longer_by_is_learned(waits):
    """Handing over takes 3 ms that no piece of work is: six times what lies ahead."""
    scores = [waits.one(0.5, 3.5) for _ in range(20)]
    assert all(found.held for found in scores[10:])
    assert waits.one(0.5, 3.5).upper_ns < 8 * MS


def test_a_long_wait_is_not_off_by_as_large_a_share_as_a_short_one(waits):
    for _ in range(20):
        waits.one(0.5, 3.5)
    assert waits.one(20, 23).upper_ns < 50 * MS


def test_the_quantile_holds_about_as_often_as_stated(waits):
    draw = Random(7)
    scores = []
    for _ in range(400):
        ahead_ms = draw.uniform(0.2, 20)
        scores.append(waits.one(ahead_ms, ahead_ms * draw.lognormvariate(0, 0.2) + 2))
    held = sum(found.held for found in scores[20:]) / len(scores[20:])
    assert 0.92 <= held <= 0.98
