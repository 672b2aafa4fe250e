"""One scenario on the real daemons and in the simulator, without comparing their speed."""

import pytest

from mc_sched.core.task import OutcomeKind
from mc_sched.experiments.fidelity import LEARNING, SCENARIOS, TARGETS, run_both, scenario_named

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
TASKS = 60


@pytest.fixture(scope="module")
def pair():
    return run_both(scenario_named("wifi", TASKS))


def test_both_sides_count_the_same_frames(pair):
    assert {len(results) for results in pair.values()} == {TASKS}
    for results in pair.values():
        assert min(result.submitted_s for result in results) >= LEARNING / 12 - 0.001


def test_both_sides_answer_most_frames_in_time(pair):
    for results in pair.values():
        good = [r for r in results if r.outcome.kind is OutcomeKind.SUCCEEDED]
        assert len(good) > TASKS / 2


def test_each_side_has_really_run(pair):
    for results in pair.values():
        latencies_ns = {result.outcome.latency_ns for result in results}
        assert min(latencies_ns) > 1_000_000
        assert len(latencies_ns) > TASKS / 2  # latencies vary
    assert pair["live"] != pair["simulated"]


def test_every_scenario_is_one_that_can_be_built():
    for name in SCENARIOS:
        (group,) = scenario_named(name, TASKS).edges
        assert group.stream.tasks == TASKS + LEARNING
    assert set(TARGETS) == {"success_points", "p50_pct", "p95_pct"}
