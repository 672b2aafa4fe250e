"""The energy ledger: spans shared out to work, outcomes recorded before their span is measured.

Idle is 3 W in all of these, and 7 W more while something of ours runs; the model says otherwise.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import events as ev
from mc_sched.core.energy.ledger import LONGEST_SPAN_NS, EnergyLedger, Part, Work
from mc_sched.core.energy.model import EnergyModel
from tests.core.round_figures import MS, at, ns

IDLE_W, ACTIVE_W = 3.0, 7.0
MODEL = EnergyModel(compute_w=2.0, idle_w=1.0)


def compute(start_ms, end_ms):
    return Work(Part.COMPUTE, ns(start_ms), ns(end_ms))


def encode(start_ms, end_ms):
    return Work(Part.ENCODE, ns(start_ms), ns(end_ms))


class Rig:
    """A ledger that has seen a second of idle by 0 ms, in samples of 100 ms."""

    def __init__(self, model=MODEL):
        self.ledger = EnergyLedger(model)
        for ms in range(-1000, 1, 100):
            self.sample(ms, IDLE_W)
        self.before_j = self.ledger.measured_j

    def sample(self, ms, watts, source="rapl", **works):
        self.ledger.sampled(10**12 + ns(ms), watts, source, self._shifted(works))
        self.ledger.validate()

    def charge(self, ms, task_id, *works):
        ((_, shifted),) = self._shifted({task_id: works})
        booked = self.ledger.charge(10**12 + ns(ms), task_id, shifted)
        self.ledger.validate()
        return booked

    @property
    def measured_j(self):
        return self.ledger.measured_j - self.before_j

    def _shifted(self, works):
        return [
            (task_id, [Work(w.part, 10**12 + w.start_ns, 10**12 + w.end_ns) for w in pieces])
            for task_id, pieces in works.items()
        ]


@pytest.fixture
def rig():
    return Rig()


def test_idle_is_learned_while_nothing_of_ours_runs(rig):
    assert EnergyLedger(MODEL).idle_w == 1.0
    assert rig.ledger.idle_w == IDLE_W
    rig.sample(100, 10.0, a=[compute(0, 100)])
    assert rig.ledger.idle_w == IDLE_W


def test_a_sample_stands_for_the_span_since_the_one_before(rig):
    rig.sample(100, 5.0)
    rig.sample(150, 1.0)
    assert rig.measured_j == pytest.approx(0.5 + 0.05)
    assert rig.ledger.idle_j == pytest.approx(rig.ledger.measured_j)


def test_what_is_above_idle_is_the_tasks_that_ran(rig):
    rig.sample(100, 10.0, a=[compute(0, 100)])
    booked = rig.charge(100, "a", compute(0, 100))
    assert booked.compute_j == pytest.approx(0.7)
    assert booked.source == "rapl"
    assert rig.ledger.idle_j - 10 * 0.3 == pytest.approx(0.3)


def test_two_that_ran_at_once_share_by_their_time(rig):
    rig.sample(100, 12.0, a=[compute(0, 60)], b=[encode(20, 50), compute(60, 70)])
    a = rig.charge(100, "a", compute(0, 60))
    b = rig.charge(100, "b", encode(20, 50), compute(60, 70))
    assert a.compute_j == pytest.approx(0.9 * 0.6)
    assert (b.encode_j, b.compute_j) == (pytest.approx(0.9 * 0.3), pytest.approx(0.9 * 0.1))


def test_a_task_that_ends_before_its_span_does_is_booked_at_the_learned_watts(rig):
    for start in range(0, 600, 100):
        rig.sample(start + 100, 10.0, a=[compute(0, start + 100)])
    rig.charge(600, "a", compute(0, 600))
    assert rig.ledger.compute_w == pytest.approx(ACTIVE_W)
    assert rig.charge(620, "b", compute(600, 620)).compute_j == pytest.approx(ACTIVE_W * 0.02)


def test_until_they_are_learned_the_declared_watts_count_and_later_tasks_settle_it(rig):
    first = rig.charge(20, "a", compute(0, 20))
    assert (first.compute_j, first.source) == (pytest.approx(2.0 * 0.02), "rapl")
    rig.sample(100, IDLE_W + ACTIVE_W * 0.2)  # 20 ms of 100 at 7 W
    second = rig.charge(120, "b", compute(100, 120))
    assert second.compute_j == pytest.approx(2.0 * 0.02 * 1.25)  # a quarter is the most


def test_what_is_never_booked_stands_with_idle(rig):
    rig.sample(100, 10.0, a=[compute(0, 100)])
    assert rig.ledger.idle_j == pytest.approx(rig.ledger.measured_j)


def test_a_gap_measures_nothing_and_the_model_speaks_for_it(rig):
    rig.sample(5000, 10.0, a=[compute(0, 5000)])
    assert rig.measured_j == 0.0
    booked = rig.charge(5000, "a", compute(0, 5000))
    assert (booked.compute_j, booked.source) == (pytest.approx(10.0), "model")
    assert rig.ledger.modelled_j == pytest.approx(10.0)


def test_a_task_half_in_a_gap_names_both(rig):
    rig.sample(100, 10.0, a=[compute(0, 100)])
    rig.sample(5100, 10.0, a=[compute(0, 5100)])
    booked = rig.charge(5100, "a", compute(0, 5100))
    assert booked.source == "model+rapl"
    assert booked.compute_j == pytest.approx(0.7 + 2.0 * 5)


def test_a_clock_that_steps_back_measures_nothing_and_continues(rig):
    rig.sample(-500, 9.0)
    assert rig.measured_j == 0.0
    rig.sample(-400, 9.0)
    assert rig.measured_j == pytest.approx(0.9)


def test_two_samples_of_one_moment_are_one(rig):
    rig.sample(100, 5.0)
    rig.sample(100, 9.0)
    assert rig.measured_j == pytest.approx(0.5)


def test_another_sensor_begins_anew(rig):
    rig.sample(100, 30.0, source="nvml")
    assert rig.measured_j == 0.0
    assert rig.ledger.idle_w == MODEL.idle_w
    rig.sample(200, 30.0, source="nvml")
    assert rig.measured_j == pytest.approx(3.0)


def test_a_sensor_that_fell_silent_is_not_named(rig):
    now_ns = 10**12
    assert (rig.ledger.source(now_ns), rig.ledger.power_w(now_ns)) == ("rapl", IDLE_W)
    later_ns = now_ns + LONGEST_SPAN_NS + 1
    assert (rig.ledger.source(later_ns), rig.ledger.power_w(later_ns)) == ("model", None)


def test_a_task_without_work_costs_nothing_by_the_model(rig):
    assert rig.charge(10, "a").source == "model"


# --- whatever happens ---------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("sample", "sample", "sample", "begin", "end", "jump")),
        st.integers(1, 150),
        st.floats(0.5, 40),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(STEPS)
def test_tasks_and_idle_are_all_that_was_measured_and_modelled(steps):
    """Against an integration of the samples and a sum of the outcomes that know of no ledger."""
    ledger, now, last, running = EnergyLedger(MODEL), 10**12, None, {}
    integral_j = booked_j = 0.0

    def works(until):
        return [(name, [Work(Part.COMPUTE, start, until)]) for name, start in running.items()]

    for number, (what, ms, watts) in enumerate(steps):
        now += ms * MS if what != "jump" else (ms - 75) * 40 * MS
        if what == "begin":
            running[f"t{number}"] = now
        elif what == "end" and running:
            name, start = running.popitem()
            booked = ledger.charge(now, name, [Work(Part.COMPUTE, start, max(now, start))])
            booked_j += booked.compute_j + booked.encode_j
        elif what == "sample":
            if last is not None and 0 < now - last <= LONGEST_SPAN_NS:
                integral_j += watts * (now - last) / 1e9
            last = now
            ledger.sampled(now, watts, "rapl", works(now))
        ledger.validate()
    assert ledger.measured_j == pytest.approx(integral_j)
    assert ledger.tasks_j == pytest.approx(booked_j)
    if last is not None:
        ledger.sampled(last, 1.0, "rapl", [])
        ledger.sampled(last - 1, 1.0, "rapl", works(last))  # no span is open any more
        all_j = integral_j + ledger.modelled_j
        assert ledger.tasks_j + ledger.idle_j == pytest.approx(all_j, rel=0.01, abs=1e-6)


# --- a power trace through the real machine -----------------------------------------------------

EVERY_MS, RUN_MS, SAMPLE_MS, TASKS = 83, 20, 100, 600


def mean_w(start_ms, end_ms):
    """Power by an energy counter: 3 W, and 7 W more during the first 20 ms of every 83."""
    first, last = int(start_ms // EVERY_MS), int(end_ms // EVERY_MS)
    busy_ms = sum(
        max(0, min(end_ms, k * EVERY_MS + RUN_MS) - max(start_ms, k * EVERY_MS))
        for k in range(max(0, first), min(TASKS, last + 1))
    )
    return IDLE_W + ACTIVE_W * busy_ms / (end_ms - start_ms)


def instant_w(start_ms, end_ms):
    """Power by a rail that does not average."""
    number, into_ms = divmod(end_ms, EVERY_MS)
    return IDLE_W + ACTIVE_W * (0 <= number < TASKS and into_ms < RUN_MS)


@pytest.mark.parametrize("power_w", [mean_w, instant_w])
def test_a_synthetic_trace_is_shared_out_as_it_was_made(make_edge, power_w):
    edge = make_edge(energy=MODEL)
    ends_ms = TASKS * EVERY_MS
    moments = [(ms, 0, None) for ms in range(-1000, ends_ms + SAMPLE_MS, SAMPLE_MS)]
    moments += [(k * EVERY_MS, 1, k) for k in range(TASKS)]
    moments += [(k * EVERY_MS + RUN_MS, 2, k) for k in range(TASKS)]
    before = edge.machine.snapshot(edge.now_ns)
    for ms, kind, number in sorted(moments, key=lambda moment: moment[:2]):
        if kind == 0:
            edge.tell(ms, ev.PowerSampled, power_w(ms - SAMPLE_MS, ms), "rapl")
        elif kind == 1:
            edge.submit(ms, f"t{number}", 84, policy="edge-only")
        else:
            edge.local_done(ms, f"t{number}")
    after = edge.machine.snapshot(edge.now_ns)
    energies = [edge.outcome(f"t{number}").energy for number in range(TASKS)]
    tasks_j = sum(energy.total_j for energy in energies)
    seconds = (ends_ms + SAMPLE_MS - SAMPLE_MS + 1000) / 1e3
    measured_j = after.energy_measured_j
    assert tasks_j + after.energy_idle_j == pytest.approx(measured_j, rel=0.01)
    assert after.energy_modelled_j == pytest.approx(before.energy_modelled_j)
    assert tasks_j == pytest.approx(ACTIVE_W * TASKS * RUN_MS / 1e3, rel=0.03)
    assert after.energy_idle_j == pytest.approx(IDLE_W * seconds, rel=0.03)
    assert after.compute_w == pytest.approx(ACTIVE_W, rel=0.25)
    assert after.idle_w == pytest.approx(IDLE_W)
    assert {energy.source for energy in energies} == {"rapl"}
    assert after.e3_per_j == pytest.approx(
        sum(after.outcomes[k] for k in ("succeeded",)) / after.energy_j
    )


def test_energy_mode_weighs_the_measured_watts(make_edge):
    """Declared at nothing the edge would keep its tasks; measured, it costs more than the radio."""
    edge = make_edge(energy=EnergyModel(compute_w=0.0, idle_w=IDLE_W))
    edge.submit(0, "before", 84)
    assert edge.running == "before"
    edge.local_done(20, "before")
    for k in range(1, 60):
        edge.submit(100 * k, f"t{k}", 84, policy="edge-only")
        edge.local_done(100 * k + RUN_MS, f"t{k}")
        edge.tell(100 * k + 50, ev.PowerSampled, IDLE_W + ACTIVE_W * RUN_MS / 100, "rapl")
    edge.tell(6000, ev.LinkSampled, ns(10))
    edge.submit(6001, "after", 84)
    assert edge.running != "after"
    assert edge.machine.snapshot(at(6001)).compute_w == pytest.approx(ACTIVE_W, rel=0.05)
    edge.tell(6010, ev.ClientGone, "after")
