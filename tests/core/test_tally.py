"""Counts since the start: outcomes, latencies, slack."""

from mc_sched.core.histogram import Histogram
from tests.core.round_figures import MS


def test_a_bound_belongs_to_the_bucket_below_it():
    found = Histogram((10, 20))
    for value in (1, 10, 11, 20, 21, 500):
        found.add(value)
    assert (found.counts, found.sum_ns) == ([2, 2, 2], 563)


def test_a_copy_does_not_change():
    found = Histogram((10,))
    copy = found.copy()
    found.add(3)
    assert (copy.counts, found.counts) == ([0, 0], [1, 0])


def test_each_task_is_counted_once_with_its_site_and_exit(edge):
    before = edge.machine.tally()
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    edge.replied(29, "a")
    edge.submit(100, "b", 15)  # refused
    edge.submit(200, "c", 84, accuracy=0.9)
    edge.deadline_fires(284, "c")
    after = edge.machine.tally()
    assert after.outcomes - before.outcomes == {
        ("succeeded", "cloud", "exit1"): 1, ("refused", "", ""): 1, ("late", "", ""): 1,
    }  # fmt: skip
    assert sum(after.latency.counts) - sum(before.latency.counts) == 1
    assert after.latency.sum_ns - before.latency.sum_ns == 29 * MS
    assert sum(after.slack.counts) - sum(before.slack.counts) == 2
    assert after.slack.sum_ns - before.slack.sum_ns == (84 - 29) * MS


def test_actual_times_are_counted_by_predictor(edge):
    before = edge.machine.took()["transfer_up"].sum_ns
    edge.submit(0, "a", 84)
    edge.accepted(20, "a")
    assert edge.machine.took()["transfer_up"].sum_ns - before == 20 * MS
