"""Several edges and one cloud: credits keep its goodput, and no edge starves another.

The tasks require an accuracy that only the cloud reaches. It serves about 55 of them per second.
"""

from collections.abc import Iterator

import pytest

from mc_sched.core.actions import Refuse, SendToCloud
from mc_sched.core.task import OutcomeKind, RefusalCode
from tests.core.loaded import MS, Conditions, LoadedCloud, LoadedEdge, S, Timeline, succeeded

CAPACITY_PER_S = 55
WARM_UP_S, MEASURED_S = 2, 8
FAST_LINK = Conditions(link=0.2)
"""A round trip of 6 ms and 4 ms for an image."""


class Shared:
    """Edges that submit at random, each at its own rate, from the beginning to the end."""

    def __init__(self, rates: dict[str, float], seed=1, deadline_ms=160, accuracy=0.85) -> None:
        self.time = Timeline(seed)
        self.time.conditions = FAST_LINK
        self.cloud = LoadedCloud(self.time)
        self.edges = {name: LoadedEdge(self.time, self.cloud, edge_id=name) for name in rates}
        self.deadline_ns, self.accuracy = deadline_ms * MS, accuracy
        for name, per_s in rates.items():
            self._submit_later(self.edges[name], per_s, self._numbers(name))
        self.time.run_until(self.time.now + (WARM_UP_S + MEASURED_S) * S)

    def _numbers(self, name: str) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"{name}{number}"

    def _submit_later(self, edge: LoadedEdge, per_s: float, ids: Iterator[str]) -> None:
        wait_ns = self.time.draw.expovariate(per_s) * S
        self.time.after(wait_ns, self._submit, edge, per_s, ids)

    def _submit(self, edge: LoadedEdge, per_s: float, ids: Iterator[str]) -> None:
        edge.submit(next(ids), self.deadline_ns, self.accuracy)
        self._submit_later(edge, per_s, ids)

    def measured(self, name: str) -> list[str]:
        """Tasks of an edge that have ended, without those of the warm-up."""
        ids = list(self.edges[name].outcomes)
        return ids[len(ids) * WARM_UP_S // (WARM_UP_S + MEASURED_S) :]

    def share(self, name: str) -> float:
        """Share of an edge's tasks that succeeded."""
        ids = self.measured(name)
        return sum(succeeded(self.edges[name], task_id) for task_id in ids) / len(ids)

    def per_s(self) -> float:
        """Goodput of all edges."""
        good = [
            succeeded(edge, task_id)
            for name, edge in self.edges.items()
            for task_id in self.measured(name)
        ]
        return sum(good) / MEASURED_S


@pytest.fixture(scope="module")
def overloaded():
    """Two edges that submit ten times what the cloud can serve."""
    return Shared({"a": 5 * CAPACITY_PER_S, "b": 5 * CAPACITY_PER_S})


def test_the_goodput_is_kept_at_ten_times_the_capacity(overloaded):
    peak = max(Shared({"a": load * CAPACITY_PER_S}).per_s() for load in (0.9, 1.0, 1.2))
    assert overloaded.per_s() >= 0.95 * peak


def test_both_edges_get_their_share(overloaded):
    shares = [overloaded.share(name) for name in overloaded.edges]
    assert min(shares) >= 0.8 * max(shares)


def test_a_task_without_a_credit_is_refused_at_once_and_costs_the_cloud_nothing(overloaded):
    for edge in overloaded.edges.values():
        ends = [o for o in edge.outcomes.values() if o.kind is OutcomeKind.REFUSED]
        without_credit = [o for o in ends if o.refusal is RefusalCode.NO_CREDIT]
        assert len(without_credit) >= 0.8 * len(ends)
        assert not any(o.bytes_up for o in without_credit)
    sent = sum(edge.sent for edge in overloaded.edges.values())
    received = sum(len(edge.outcomes) for edge in overloaded.edges.values())
    assert sent <= 0.15 * received


def test_hardly_any_task_that_was_sent_is_refused(overloaded):
    refused = sum(isinstance(end, Refuse) for end in overloaded.cloud.ends.values())
    assert refused <= 0.1 * len(overloaded.cloud.ends)


def test_hardly_any_task_is_late(overloaded):
    outcomes = [o for edge in overloaded.edges.values() for o in edge.outcomes.values()]
    good = sum(o.kind is OutcomeKind.SUCCEEDED for o in outcomes)
    assert sum(o.kind is OutcomeKind.LATE for o in outcomes) <= 0.02 * good


def kept_beside_greedy(modest: dict[str, float], seed: int) -> list[float]:
    """Each edge's share beside one that submits 80 tasks per second, over that without it."""
    alone, beside = Shared(modest, seed), Shared(modest | {"greedy": 80.0}, seed)
    return [beside.share(name) / alone.share(name) for name in modest]


def test_a_greedy_edge_at_ten_times_the_rate_does_not_starve_a_modest_one():
    kept = [part for seed in range(5) for part in kept_beside_greedy({"modest": 8.0}, seed)]
    assert sum(kept) / len(kept) >= 0.95


def test_a_greedy_edge_leaves_three_modest_ones_nearly_all_of_their_goodput():
    modest = dict.fromkeys(("m0", "m1", "m2"), 5.0)
    kept = [part for seed in range(3) for part in kept_beside_greedy(modest, seed)]
    assert sum(kept) / len(kept) >= 0.9


def test_every_sent_task_had_a_credit(overloaded):
    """LoadedEdge checks each SendToCloud against the credits that have arrived."""
    for edge in overloaded.edges.values():
        sends = [a for _, actions in edge.log for a in actions if isinstance(a, SendToCloud)]
        assert len(sends) == edge.sent > 0
