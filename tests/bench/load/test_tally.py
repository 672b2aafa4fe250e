"""Ends of tasks as the client saw them."""

import pytest

from mc_sched.bench.load.tally import LoadTally


def test_an_answer_after_the_deadline_is_late_and_was_claimed():
    tally = LoadTally(0.08, came=4)
    tally.answered(0.05, "exit1", claims_in_time=True)
    tally.answered(0.08, "exit2", claims_in_time=True)
    tally.answered(0.0801, "exit1", claims_in_time=True)
    tally.answered(0.2, "exit1", claims_in_time=False)
    point = tally.point(2.0)
    assert (point.goodput, point.late, point.admitted) == (1.0, 2, 4)
    assert point.claimed_minus_seen == pytest.approx(1 / 3)
    assert point.exits == {"exit1": 1, "exit2": 1}
    assert (point.p50_ms, point.p99_ms) == (80.0, 200.0)
    assert tally.ended == 4


def test_refused_and_failed_tasks_are_not_admitted():
    tally = LoadTally(0.08, came=3, refused=2, unsent=1, failed=1)
    point = tally.point(1.0)
    assert (point.admitted, point.refused, point.unsent, point.failed) == (0, 2, 1, 1)
    assert (point.offered, point.goodput, point.p50_ms) == (3.0, 0.0, None)
    assert (point.claimed_minus_seen, tally.ended) == (0.0, 3)
