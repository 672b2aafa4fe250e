"""Algorithm II over random budgets and arrivals, on an executor that keeps to its profile."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Refuse, Reply, RunHead, RunStage
from mc_sched.core.task import ExitRule
from tests.core.round_figures import CLOUD, MS
from tests.core.scripted_cloud import ScriptedCloud

many = settings(max_examples=100, deadline=None, derandomize=True, database=None)
accuracies = st.floats(0, 1)
budgets = st.integers(0, 60)
ways_back = st.integers(0, 20)


def fitting(accuracy, budget, down):
    """Exits that answer a lone task in time, closest to the input first; the downlink included."""
    return [
        e
        for e in CLOUD.exits
        if e.accuracy["jpeg"] >= accuracy and CLOUD.path_ns(e) <= (budget - down) * MS
    ]


@many
@given(accuracies, budgets, ways_back, st.sampled_from(ExitRule))
def test_a_lone_task_is_accepted_exactly_if_an_exit_fits_and_then_answered_by_one(
    accuracy, budget, down, rule
):
    cloud = ScriptedCloud()
    first, *_ = cloud.arrive(0, "a", budget, accuracy, down, rule)
    exits = fitting(accuracy, budget, down)
    if not exits:
        assert isinstance(first, Refuse)
        return
    assert isinstance(first, Accept)
    assert first.exit == exits[0].name
    decisions = []
    while cloud.piece is not None:
        decisions += cloud.step()
    head, last = decisions[-2:]
    assert isinstance(last, Reply)
    assert [action for action in decisions if isinstance(action, RunHead)] == [head]
    assert last.exit == (exits[0] if rule is ExitRule.EARLIEST else exits[-1]).name
    assert cloud.now_ms + down <= budget


@many
@given(st.lists(st.integers(1_000, 2_000), min_size=1, max_size=12, unique=True))
def test_waiting_tasks_start_by_their_deadlines(deadlines):
    cloud = ScriptedCloud()
    cloud.arrive(0, "x", 900, rule=ExitRule.EARLIEST)
    for deadline in deadlines:
        cloud.arrive(0, f"{deadline}", deadline, rule=ExitRule.EARLIEST)
    started = []
    while cloud.piece is not None:
        started += [a.task_ids[0] for a in cloud.step() if isinstance(a, RunStage) and not a.stage]
    assert started == [f"{deadline}" for deadline in sorted(deadlines)]


arrivals = st.lists(
    st.tuples(
        st.integers(0, 20),  # ms since the one before
        st.integers(10, 200),  # budget
        st.sampled_from((0.5, 0.75, 0.9)),
        st.sampled_from(ExitRule),
        st.booleans(),  # given up 3 ms after it came
    ),
    min_size=1,
    max_size=12,
)


@many
@given(arrivals, st.floats(0.5, 4))
def test_every_accepted_task_has_one_end_however_slow_the_executor(arrivals, slow):
    """The scripted executor breaks off if a task runs that nobody wants, or two at once."""
    cloud = ScriptedCloud()
    ms = 0
    for number, (delay, budget, accuracy, rule, leaves) in enumerate(arrivals):
        ms += delay
        _work_until(cloud, ms, slow)
        cloud.arrive(ms, f"t{number}", budget, accuracy, rule=rule)
        if leaves:
            cloud.tell(ms, ev.GiveUpReceived, f"t{number}")
    _work_until(cloud, 10_000, slow)
    assert cloud.piece is None
    cloud.wind_up()


def _work_until(cloud, ms, slow):
    while cloud.piece is not None:
        took = slow * (4 if isinstance(cloud.piece, RunStage) else 1)
        if cloud.piece_since_ms + took > ms:
            return
        cloud.step(took=took)
