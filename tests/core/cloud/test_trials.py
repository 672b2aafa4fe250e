"""An idle cloud that measured nothing for a while tries what only its measurements forbid."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.actions import Accept, Decode, Refuse, Reply, RunHead, RunStage, Stop
from mc_sched.core.task import ExitRule
from tests.core.round_figures import ns


def slow_down(cloud, factor=10) -> float:
    """Stages take ten times as long; return the moment after the last one."""
    for number in range(5):
        cloud.arrive(1000 * number, f"s{number}", 900, 0.0, rule=ExitRule.EARLIEST)
        while cloud.piece is not None:
            cloud.step(4 * factor if isinstance(cloud.piece, RunStage) else 1)
    return cloud.now_ms


@pytest.fixture
def slow(cloud):
    """A cloud whose stages were ten times slower than profiled until the tests' moment 5000."""
    slow_down(cloud)
    cloud.tell(5000, ev.LinkSampled, ns(10), 0, 1.0, "edge")
    return cloud


def test_a_task_that_the_profile_allows_is_tried(slow):
    decode, accept, run = (
        *slow.tell(5000, ev.Received, "a", "edge", 0.75, ns(50), ns(5)),
        *slow.decoded(5000, "a"),
    )
    assert decode == Decode("a", "jpeg")
    assert isinstance(accept, Accept)
    assert accept.trial_after_ns > ns(250)
    assert accept.predicted_ns < ns(20)  # by the profile, not by what was measured
    assert run == RunStage(("a",), 0)


def test_one_task_is_tried_at_a_time(slow):
    slow.arrive(5000, "a", 50)
    assert [type(action) for action in slow.arrive(5001, "b", 50)] == [Refuse]


def test_a_trial_follows_a_quarter_of_a_second_after_the_last_measurement(slow):
    last_ms = slow_down(slow)
    assert [type(action) for action in slow.arrive(last_ms + 240, "a", 50)] == [Refuse]
    assert isinstance(slow.arrive(last_ms + 260, "b", 50)[0], Accept)


def test_what_the_profile_forbids_is_refused(slow):
    assert [type(action) for action in slow.arrive(5000, "a", 12)] == [Refuse]


def test_a_trial_that_runs_as_profiled_ends_the_slowness(slow):
    slow.arrive(5000, "a", 50, rule=ExitRule.EARLIEST)
    slow.step()
    slow.step()
    assert isinstance(slow.step()[0], Reply)
    accept = slow.arrive(5020, "b", 30)[0]
    assert isinstance(accept, Accept)
    assert accept.trial_after_ns == 0


def test_a_trial_that_is_slow_stops_behind_its_first_stage(slow):
    slow.arrive(5000, "a", 50, accuracy=0.9)
    assert [type(action) for action in slow.step(40)] == [Stop]
    assert [type(action) for action in slow.arrive(5050, "b", 50)] == [Refuse]


def test_a_trial_at_one_stage_may_answer_although_it_was_slow(slow):
    slow.arrive(5000, "a", 70, accuracy=0.6, rule=ExitRule.EARLIEST)
    assert slow.step(40) == [RunHead(("a",), "exit0")]


def test_the_reported_slowdown_fades_while_nothing_is_measured(slow):
    last_ms = slow_down(slow)
    now_ns = slow.now_ns
    reported = [slow.machine.load(now_ns + ns(after)).slowdown for after in (1000, 2000, 6000)]
    assert last_ms
    assert reported[0] == pytest.approx(10, rel=0.1)
    assert reported[1] == pytest.approx(10**0.5, rel=0.1)
    assert reported[2] == pytest.approx(1, rel=0.1)
