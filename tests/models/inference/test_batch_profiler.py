"""How far the batch sizes of a profile go, with nets whose times are given."""

import dataclasses

import pytest
import torch
from mc_models.bundle.load import load_bundle
from mc_models.inference import batch_profiler
from mc_models.inference import stopwatch as stopwatch_module
from mc_models.inference.batch_profiler import measure_batches
from mc_models.inference.prepare import PreparedCloud
from mc_models.inference.profile import Profile, Times

MS = 1_000_000
BUNDLE = load_bundle("set-a", verify=False)
X = torch.zeros(1, 4)
STAGES = [row.name for row in BUNDLE.stages]


class FakeClock:
    """Time in ns that passes only while a piece runs."""

    def __init__(self, monkeypatch):
        self.now_ns = 0
        monkeypatch.setattr(stopwatch_module.time, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(batch_profiler, "BUDGET_S", 0.0)

    def net(self, stage_ms):
        """A net whose every stage takes `stage_ms(rows)` and whose heads take nothing."""
        sizes = []

        def stage(x):
            sizes.append(len(x))
            self.now_ns += round(stage_ms(len(x)) * MS)
            return x

        net = PreparedCloud((stage,) * len(STAGES), {row.name: logits for row in BUNDLE.exits})
        return net, sizes


def logits(x):
    return torch.zeros(len(x), len(BUNDLE.labels))


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)


def single(stage_ms):
    one = {name: times(stage_ms(1)) for name in STAGES}
    return {"stages": one, "heads": {row.name: times(0) for row in BUNDLE.exits}}


def times(ms):
    return Times(*[round(ms * MS)] * 3, 20)


def measure(clock, *costs, device="cpu"):
    nets = [clock.net(cost) for cost in costs]
    found = measure_batches(
        BUNDLE, [net for net, _ in nets], [single(cost) for cost in costs], X, device
    )
    return found, [sizes for _, sizes in nets]


def sizes_of(batches):
    return [batch.size for batch in batches]


def test_sizes_are_measured_up_to_the_largest_as_long_as_they_pay(clock):
    [batches], [run] = measure(clock, lambda n: 2 + 0.5 * n)
    assert sizes_of(batches) == [2, 4, 8, 16, 32]
    assert batches[1].stages[STAGES[0]].p50_ns == 4 * MS
    assert batches[1].stages[STAGES[0]].count >= 3
    assert set(run) == {2, 4, 8, 16, 32}


def test_a_size_that_does_not_pay_is_left_out_and_is_the_last(clock):
    [batches], [run] = measure(clock, lambda n: 1.0 * n if n > 4 else 0.5 * n + 0.5)
    assert sizes_of(batches) == [2, 4]
    assert max(run) == 8


def test_a_net_that_gains_nothing_has_no_batches(clock):
    [batches], _ = measure(clock, lambda n: n)
    assert batches == ()


def test_stages_that_would_take_too_long_on_a_cpu_are_not_measured(clock):
    def cost(rows):
        return 60 + 30 * rows  # 210 ms at 5; size 8 is expected to take 360 ms, from size 4

    [batches], [run] = measure(clock, cost)
    assert sizes_of(batches) == [2, 4]
    assert max(run) == 4
    [batches], _ = measure(clock, cost, device="cuda")
    assert sizes_of(batches) == [2, 4, 8, 16, 32]


def test_memory_that_is_full_ends_the_sizes(clock):
    def cost(rows):
        if rows > 8:
            raise torch.OutOfMemoryError("no memory")
        return 2 + 0.5 * rows

    [batches], _ = measure(clock, cost, device="cuda")
    assert sizes_of(batches) == [2, 4, 8]


def test_each_net_has_sizes_of_its_own(clock):
    first, second = measure(clock, lambda n: n, lambda n: 2 + 0.5 * n)[0]
    assert (sizes_of(first), sizes_of(second)) == ([], [2, 4, 8, 16, 32])


def test_a_profile_lists_the_times_by_batch(clock):
    [batches], _ = measure(clock, lambda n: 2 + 0.5 * n)
    one = single(lambda n: 2 + 0.5 * n)
    profile = Profile("h" * 64, "cloud", "float32", "cpu (AVX2)", 1, "robot", "2.9", **one)
    profile = dataclasses.replace(profile, batches=batches[:2])
    assert profile.batch_sizes == (1, 2, 4)
    assert profile.stage_batch_ns == ((round(2.5 * MS), 3 * MS, 4 * MS),) * len(STAGES)
    assert profile.head_batch_ns["final"][0] == 0
    assert len(profile.head_batch_ns["final"]) == 3
    assert profile.batch_total_ns[1] == profile.total_ns == round(2.5 * MS) * len(STAGES)
    assert profile.batch_total_ns[4] == 4 * MS * len(STAGES)
