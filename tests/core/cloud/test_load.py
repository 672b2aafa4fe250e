"""Goodput and lateness under Poisson arrivals, from half to ten times the capacity.

An accepted task is late if its answer leaves this node too late, or if it is stopped.
"""

from dataclasses import replace

import pytest

from mc_sched.core import actions as do
from mc_sched.core.tables import Codec
from mc_sched.core.task import ExitRule
from tests.core.cloud.load import Load, LoadedCloud
from tests.core.round_figures import BATCHED, CLOUD, MS

QUICK_DECODER = (Codec("jpeg", 0, MS // 2),)
SINGLE = replace(CLOUD, codecs=QUICK_DECODER)
GPU = replace(BATCHED, codecs=QUICK_DECODER)
"""Eight tasks in twice the time of one."""
CPU = replace(
    GPU,
    exits=tuple(replace(e, head_batch_ns=tuple(n * MS for n in (1, 2, 4, 8))) for e in GPU.exits),
    stage_batch_ns=(tuple(4 * n * MS for n in (1, 2, 4, 8)),) * 5,
)
"""A batch takes as long as its tasks one by one."""
HALF = replace(GPU, stage_batch_ns=(tuple(round(n * MS) for n in (4, 7, 12, 20)),) * 5)
"""A profile by which eight tasks take five times the time of one."""
LATE = 0.01


def capacity(table, accuracy):
    """Tasks per second at the largest batch, if nothing else took time."""
    exit_ = table.acceptable("jpeg", accuracy)[0]
    size = table.largest_batch
    stages_ns = sum(table.stage_time_ns(stage, size) for stage in range(exit_.stage + 1))
    return size / (stages_ns + table.head_time_ns(exit_, size)) * 1e9


def sweep(table, accuracy, loads=(0.5, 1, 2, 3, 10), seconds=3, **settings):
    """Results by load, in multiples of the capacity."""
    per_s = capacity(table, accuracy)
    return {
        load: LoadedCloud(table, **settings).run(Load(per_s * load, (accuracy,)), seconds)
        for load in loads
    }


@pytest.mark.parametrize("accuracy", [0.75, 0.94])
@pytest.mark.parametrize("table", [SINGLE, GPU, CPU], ids=["single", "gpu", "cpu"])
def test_goodput_does_not_fall_however_much_is_offered(table, accuracy):
    results = sweep(table, accuracy)
    peak = max(result.goodput for result in results.values())
    assert peak >= 0.9 * capacity(table, accuracy)
    assert {load: result.late for load, result in results.items() if result.late > LATE} == {}
    for load in (2, 3, 10):
        assert results[load].goodput >= 0.95 * peak, load


@pytest.mark.parametrize("accuracy", [0.75, 0.94])
def test_below_its_capacity_a_node_takes_nearly_everything(accuracy):
    result = sweep(SINGLE, accuracy, loads=(0.5,))[0.5]
    assert result.counts["refused"] <= 0.03 * result.counts["offered"]
    result = sweep(GPU, accuracy, loads=(0.5,))[0.5]
    assert result.counts["refused"] <= 0.03 * result.counts["offered"]


@pytest.mark.parametrize("seed", range(4))
def test_noise_costs_little(seed):
    results = sweep(GPU, 0.75, loads=(1, 3), noise=0.2, seed=seed)
    assert results[3].goodput >= 0.9 * capacity(GPU, 0.75)
    assert max(result.late for result in results.values()) <= LATE


@pytest.mark.parametrize("table", [SINGLE, GPU], ids=["single", "gpu"])
@pytest.mark.parametrize("rule", ExitRule)
def test_tasks_of_different_deadlines_are_in_time(table, rule):
    per_s = capacity(table, 0.75)
    offered = Load(3 * per_s, (0.75,), (30.0, 84.0, 300.0), rule)
    result = LoadedCloud(table).run(offered, seconds=4)
    assert result.late <= LATE
    assert result.goodput >= (0.7 if rule is ExitRule.PURSUE else 0.9) * per_s


@pytest.mark.parametrize("table", [SINGLE, GPU], ids=["single", "gpu"])
def test_tasks_of_different_accuracies_are_in_time(table):
    offered = Load(2 * capacity(table, 0.75), (0.6, 0.75, 0.94), (50.0, 84.0, 300.0))
    assert LoadedCloud(table).run(offered, seconds=4).late <= LATE


def test_given_up_tasks_leave_their_time_to_others():
    per_s = capacity(GPU, 0.75)
    result = LoadedCloud(GPU).run(Load(2 * per_s, given_up=0.3), seconds=4)
    assert result.goodput >= 0.8 * per_s
    assert result.late <= LATE


def test_a_node_that_is_slower_than_its_profile_admits_what_it_can_do():
    cloud = LoadedCloud(GPU)
    cloud.slowdown = 1.5
    result = cloud.run(Load(2 * capacity(GPU, 0.75)), seconds=4)
    assert result.goodput >= 0.9 * capacity(GPU, 0.75) / 1.5
    assert result.late <= LATE


# --- what batches are worth -------------------------------------------------------------------


def test_batches_carry_three_times_the_load_of_single_tasks():
    """T(8) is 2 T(1), so that batches of eight carry at most four times as much."""
    peak = {
        limit: max(
            result.goodput for result in sweep(GPU, 0.83, (0.5, 1, 2), max_batch=limit).values()
        )
        for limit in (1, 8)
    }
    assert peak[8] >= 3 * peak[1]


def test_where_batches_gain_less_than_promised_the_machine_finds_it_out():
    cloud = LoadedCloud(HALF, truth=CPU)
    cloud.run(Load(2 * capacity(CPU, 0.75)), seconds=2)
    result = cloud.run(Load(2 * capacity(CPU, 0.75)), seconds=4)
    assert result.mean_size <= 1.3
    assert result.goodput >= 0.9 * capacity(CPU, 0.75)
    assert result.late <= LATE


def test_and_when_they_gain_again():
    cloud = LoadedCloud(GPU, truth=CPU)
    cloud.run(Load(2 * capacity(CPU, 0.75)), seconds=2)
    cloud.truth = GPU
    cloud.run(Load(2 * capacity(GPU, 0.75)), seconds=20)
    result = cloud.run(Load(2 * capacity(GPU, 0.75)), seconds=2)
    assert result.mean_size >= 6
    assert result.goodput >= 0.9 * capacity(GPU, 0.75)


# --- decoders ---------------------------------------------------------------------------------


def test_several_decoders_decode_at_the_same_time():
    slow = replace(GPU, codecs=(Codec("jpeg", 0, 5 * MS),))
    one, four = (
        LoadedCloud(slow, decoders=decoders).run(Load(500), seconds=2).goodput
        for decoders in (1, 4)
    )
    assert one <= 200
    assert four >= 400


def test_decoders_that_are_slower_than_profiled_do_not_waste_their_time():
    """Tasks that would be refused behind the decoder are refused before it."""
    promised = replace(SINGLE, codecs=(Codec("jpeg", 0, 4 * MS),))
    truth = replace(SINGLE, codecs=(Codec("jpeg", 0, 12 * MS),))
    cloud = LoadedCloud(promised, truth=truth)
    result = cloud.run(Load(500, (0.6,)), seconds=4)
    assert result.goodput >= 0.85 * 1000 / 12


def test_a_log_of_batches_replays_whatever_was_read_meanwhile():
    cloud, events, actions = LoadedCloud(GPU), [], []
    feed = cloud.machine.handle

    def handle(event):
        cloud.machine.load(event.now_ns - 1)
        events.append(event)
        actions.append(feed(event))
        return actions[-1]

    cloud.machine.handle = handle
    cloud.run(Load(2 * capacity(GPU, 0.75), budgets_ms=(30.0, 84.0)), seconds=1)
    again = LoadedCloud(GPU).machine
    assert [again.handle(event) for event in events] == actions
    assert any(isinstance(a, do.RunStage) and len(a.task_ids) > 4 for some in actions for a in some)
