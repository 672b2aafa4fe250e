"""Times of stages and heads by batch size: the profile, corrected by measured batches."""

from dataclasses import replace

import pytest

from mc_sched.core.predictors.batch_time import RETRY_NS, BatchTimes
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.scores import Forecast
from tests.core.round_figures import BATCHED, CLOUD, MS, ns


def table_of(*batches_ms, sizes=(1, 2, 4, 8)):
    """The cloud net whose stages take these times in batches of these sizes."""
    times = tuple(ns(ms) for ms in batches_ms)
    return replace(
        BATCHED,
        stage_ns=(times[0],) * 5,
        batch_sizes=sizes,
        stage_batch_ns=(times,) * 5,
        exits=tuple(replace(e, head_batch_ns=(MS,) * len(sizes)) for e in CLOUD.exits),
    )


def make(table=BATCHED, max_batch=32):
    return BatchTimes(CloudTimePredictor(table, 0.95), max_batch)


@pytest.fixture
def times():
    return make()


def measured(times, size, took_ms, runs=1, now_ns=MS, slowdown=1.0):
    """Batches whose stage 0 took so long, just after a single task."""
    times._times.record_stage(now_ns, ns(4), ns(4), Forecast(ns(4), ns(4)))
    for _ in range(runs):
        times.record(now_ns, 0, size, ns(took_ms), slowdown)


# --- the tables -------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "ms"), [(1, 4), (2, 5), (3, 5.5), (4, 6), (6, 7), (8, 8)])
def test_times_run_linearly_between_the_measured_sizes(size, ms):
    assert BATCHED.stage_time_ns(0, size) == ns(ms)


@pytest.mark.parametrize(("size", "ms"), [(1, 1), (2, 1.25), (3, 1.375), (8, 2)])
def test_also_those_of_heads(size, ms):
    assert BATCHED.head_time_ns(BATCHED.exits[0], size) == ns(ms)


def test_beyond_the_largest_size_they_continue():
    assert BATCHED.stage_time_ns(0, 12) == ns(10)


def test_without_batch_times_tasks_run_one_by_one():
    assert CLOUD.stage_time_ns(0, 3) == ns(12)
    assert CLOUD.head_time_ns(CLOUD.exits[0], 3) == ns(3)
    assert CLOUD.largest_batch == 1
    assert BATCHED.largest_batch == 8


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("available", "size"), [(1, 1), (2, 2), (5, 5), (8, 8), (20, 8)])
def test_a_batch_holds_all_tasks_up_to_the_best_size(times, available, size):
    assert times.best_size(0, available) == size


@pytest.mark.parametrize("table", [CLOUD, table_of(4, 8, 16, 32), table_of(4, 7.9, 15.5, 31)])
def test_batches_that_gain_too_little_are_not_formed(table):
    assert [make(table).best_size(0, n) for n in (1, 2, 8)] == [1, 1, 1]


def test_of_two_batches_that_take_the_same_time_together_the_smaller_are_formed():
    times = make(table_of(4, 6, 8, 16))
    assert times.limits[0] == 4
    assert [times.best_size(0, n) for n in (4, 5, 6, 8)] == [4, 5, 6, 4]


def test_the_setting_limits_the_size():
    times = make(max_batch=3)
    assert times.best_size(0, 8) == 3
    times.set_max_batch(1)
    assert times.best_size(0, 8) == 1


@pytest.mark.parametrize(("tasks", "ms"), [(0, 0), (1, 4), (4, 6), (8, 8), (9, 12), (16, 16)])
def test_the_cost_of_many_tasks_is_that_of_several_batches(times, tasks, ms):
    assert times.cost_ns(0, tasks) == ns(ms)


def test_a_path_costs_what_its_pieces_cost(times):
    path = times.path(0, BATCHED.exits[1])
    assert path.alone_ns == ns(9)
    assert times.path_ns(path, 8) == ns(8 + 8 + 2)
    steps = [times.more_ns(path, tasks) for tasks in range(10)]
    assert steps == [times.path_ns(path, n + 1) - times.path_ns(path, n) for n in range(10)]


def test_a_path_ends_with_the_head(times):
    path = times.path(0, BATCHED.exits[1])
    assert path.pieces == (0, 1, 6)
    assert path.tail is times.path(1, BATCHED.exits[1])
    assert path.tail.tail.head_only


# --- learning ---------------------------------------------------------------------------------


def test_the_first_batches_of_a_size_count_most(times):
    measured(times, 8, 16)
    assert ns(11) < times.stage_ns(0, 8) < ns(12)
    measured(times, 8, 16, runs=10)
    assert ns(14) < times.stage_ns(0, 8) <= ns(16)


def test_they_correct_neither_a_single_task_nor_another_stage(times):
    measured(times, 8, 16, runs=10)
    assert times.stage_ns(0, 1) == ns(4)
    assert times.stage_ns(1, 8) == ns(8)


def test_sizes_between_take_a_part(times):
    measured(times, 8, 16, runs=10)
    assert times.stage_ns(0, 4) == ns(6)
    assert ns(7.5) < times.stage_ns(0, 6) < ns(10.5)


def test_a_batch_that_is_as_slow_as_the_moment_teaches_nothing(times):
    measured(times, 8, 16, slowdown=2.0)
    assert times.stage_ns(0, 8) == pytest.approx(ns(8), rel=1e-6)


def test_without_a_known_slowdown_nothing_is_learned(times):
    measured(times, 8, 16, slowdown=None)
    assert times.stage_ns(0, 8) == ns(8)


def test_batches_that_gain_nothing_are_given_up(times):
    for size in (2, 4, 8):
        measured(times, size, 4.2 * size, runs=60)
    assert [times.best_size(0, n) for n in (2, 4, 8)] == [1, 1, 1]


def test_and_tried_again_when_they_were_not_measured_for_a_while():
    times = make(table_of(4, 7, 13, 25))
    for size in (2, 4, 8):
        measured(times, size, 4.2 * size, runs=20)
    assert times.best_size(0, 8) == 1
    for number in range(1, 6):
        measured(times, 1, 4, now_ns=MS + number * RETRY_NS)
    assert times.best_size(0, 8) == 4


def test_more_tasks_never_take_less_time(times):
    measured(times, 4, 3, runs=20)
    assert min(times.steps[0]) >= 0.0


def test_while_no_single_task_runs_a_correction_passes_into_the_slowdown():
    predictor = CloudTimePredictor(BATCHED, 0.95)
    times = BatchTimes(predictor, 32)
    now_ns = 10**9
    for _ in range(400):
        now_ns += 20 * MS
        slowdown = predictor.slowdown(now_ns) if predictor.measured(now_ns) else None
        times.record(now_ns, 0, 8, ns(16), slowdown)
        known_ns = times.stage_ns(0, 8)
        expected = predictor.forecast(now_ns, known_ns)
        predictor.record_stage(now_ns, known_ns, ns(16), expected, alone=False)
    assert predictor.slowdown(now_ns) == pytest.approx(2.0, rel=0.05)
    assert times.stage_ns(0, 8) == pytest.approx(ns(8), rel=0.05)


def test_a_single_task_tells_them_apart():
    predictor = CloudTimePredictor(BATCHED, 0.95)
    times = BatchTimes(predictor, 32)
    now_ns = 10**9
    for number in range(400):
        now_ns += 20 * MS
        size, took_ns = (1, ns(4)) if number % 10 == 0 else (8, ns(16))
        slowdown = predictor.slowdown(now_ns) if predictor.measured(now_ns) else None
        times.record(now_ns, 0, size, took_ns, slowdown)
        known_ns = times.stage_ns(0, size)
        expected = predictor.forecast(now_ns, known_ns)
        predictor.record_stage(now_ns, known_ns, took_ns, expected, alone=size == 1)
    assert predictor.slowdown(now_ns) == pytest.approx(1.0, rel=0.05)
    assert times.stage_ns(0, 8) == pytest.approx(ns(16), rel=0.1)
