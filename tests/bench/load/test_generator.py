"""Arrivals, the search for the peak, and the recovery, with a server that is scripted."""

import asyncio
import itertools

import pytest

from mc_sched.bench.load import generator, recovery
from mc_sched.bench.load.capacity import peak_goodput
from mc_sched.bench.load.generator import due_times, run_burst, run_phase
from mc_sched.bench.load.plan import Burst, Phase
from mc_sched.bench.load.tally import LoadPoint, LoadTally

PHASE = Phase("scripted", "", 200.0, 0.5, 50_000_000, 0.75, 4, 1)


class Scripted:
    """Answers each task after `takes_s(number)`; None refuses it, 0 or less loses it."""

    def __init__(self, takes_s):
        self.takes_s, self.sent, self.closed = takes_s, [], False

    async def open(self, phase, images):
        self.images = images

    def send(self, number, due_s, tally):
        self.sent.append((number, due_s))
        loop, takes_s = asyncio.get_running_loop(), self.takes_s(number)
        if takes_s is None:
            tally.refused += 1
        elif takes_s > 0:
            loop.call_at(
                due_s + takes_s, lambda: tally.answered(loop.time() - due_s, "exit1", True)
            )

    async def close(self):
        self.closed = True


@pytest.fixture
def scripted(monkeypatch):
    def use(takes_s):
        target = Scripted(takes_s)
        monkeypatch.setitem(generator.TARGETS, "scripted", lambda: target)
        return target

    return use


def test_arrivals_are_poisson_and_the_same_for_a_seed():
    times = list(due_times(1000.0, 20.0, 7))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.001, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.05)  # an exponential's deviation is its mean
    assert times == list(due_times(1000.0, 20.0, 7)) != list(due_times(1000.0, 20.0, 8))


async def test_a_phase_counts_every_task_once(scripted):
    target = scripted(lambda number: (None, 0.01, 0.2, 0.0)[number % 4])
    point = await run_phase(PHASE, [b"image"])
    numbers = [number for number, _ in target.sent]
    assert numbers == list(range(len(numbers)))
    expected = [sum(number % 4 == kind for number in numbers) for kind in range(4)]
    answered = round(point.goodput * PHASE.seconds)
    assert [point.refused, answered, point.late, point.failed] == expected
    assert point.offered == len(numbers) / PHASE.seconds
    assert target.closed


async def test_the_recovery_ends_with_ten_tasks_in_a_row_in_time(scripted, monkeypatch):
    monkeypatch.setattr(recovery, "INTERVAL_S", 0.005)
    burst = len(list(due_times(PHASE.rate_per_s, PHASE.seconds, PHASE.seed)))
    late_until = 7

    def takes_s(number):
        # after the burst the numbers begin anew; task 3 is good, and does not begin the ten
        is_burst = len(target.sent) <= burst
        return 0.001 if is_burst or number == 3 or number > late_until else None

    target = scripted(takes_s)
    seconds = await run_burst(Burst(PHASE, 5.0), [b"image"])
    first_due_s = target.sent[burst + late_until + 1][1]
    assert seconds == pytest.approx(first_due_s - target.sent[burst][1], abs=0.02)
    assert len(target.sent) == burst + late_until + 1 + 10


async def test_a_server_that_stays_away_does_not_recover(scripted):
    scripted(lambda number: None)
    assert await run_burst(Burst(PHASE, 0.2), [b"image"]) is None


@pytest.mark.parametrize("capacity", [30.0, 180.0, 900.0])
@pytest.mark.parametrize("collapses", [False, True])
async def test_the_search_finds_the_peak_of_a_server(capacity, collapses):
    async def measure(rate):
        goodput = min(
            rate, capacity * capacity / rate if collapses and rate > capacity else capacity
        )
        tally = LoadTally(0.05, came=round(rate * 100))
        tally.in_time["exit1"] = round(goodput * 100)
        return tally.point(100.0)

    peak = await peak_goodput(measure)
    assert capacity / 1.5 <= peak <= capacity * 1.001
    assert collapses or peak == pytest.approx(capacity, rel=0.01)


def test_a_point_is_reported_as_json_and_read_back():
    point = LoadTally(0.05, came=1).point(1.0)
    assert LoadPoint(**point.report()) == point
