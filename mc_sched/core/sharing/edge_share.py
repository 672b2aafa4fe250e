"""The edges that share the pool of credits: what each can use, and what it was granted."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from mc_sched.core import events as ev
from mc_sched.core.predictors.recent import Recent
from mc_sched.core.sharing.fair_shares import Use, fair_shares

MEAN_NS = 300_000_000
"""Time constant of the average that an edge needs."""
TURN_NS = 1_000_000_000
"""Time after which the places that cannot be divided equally go to other edges."""
LONGEST_LINK_NS = 1_000_000_000
"""Longest time on the link for which an edge gets credits."""
SMALL_CHANGE = 0.25
SMALL_CHANGE_NS = 100_000_000
"""A smaller relative change is reported only so long after the last one: each report is a message.
An edge that wants more gets every credit at once."""


class EdgeShare:
    """One edge: its open tasks, what it can use, and what it was granted."""

    def __init__(self) -> None:
        self.sessions = 0
        self.open = 0
        """Its tasks on this node."""
        self.link_ns = 0
        """Time of its last task on the link, in both directions."""
        self._granted = 0
        """Credits that it knows of; 0 before the first ones."""
        self._granted_ns = 0
        self._used = Recent()
        """Places in the pool that it used or wanted."""
        self._answers = Recent()
        """Answered tasks, counted."""
        self._unanswered: deque[int] = deque()
        """Moments when tasks ended without an answer."""
        self._wanted = 0
        """Further tasks that it wanted to send, by its last message."""
        self._mean, self._changed_ns = 0.0, 0
        """Average of `open` and `_wanted` up to their last change, and the moment of that."""

    def joined(self) -> None:
        """Count a session; a new one knows of no credits."""
        self.sessions += 1
        self._granted = 0

    def received(self, event: ev.Received) -> None:
        """Count a task."""
        self._keep_mean(event.now_ns)
        self.open += 1
        self.link_ns = min(LONGEST_LINK_NS, event.transfer_ns + 2 * event.down_ns)
        self.wants(event.now_ns, event.wanted)

    def wants(self, now_ns: int, wanted: int) -> None:
        """Take the number of further tasks that the edge would send.

        A task that ended less than a round trip ago was open for the edge when it sent this.
        """
        self._keep_mean(now_ns)
        self._wanted = wanted
        while self._unanswered and self._unanswered[0] < now_ns - self.link_ns:
            self._unanswered.popleft()
        self._used.raise_to(now_ns, self.open + len(self._unanswered) + wanted)

    def ended(self, now_ns: int, is_answered: bool) -> None:
        """Count the end of a task."""
        self._keep_mean(now_ns)
        self.open -= 1
        if not self.open:
            self._wanted = 0
        if is_answered:
            self._answers.count(now_ns)
        else:
            self._unanswered.append(now_ns)

    def use(self, now_ns: int) -> Use:
        """Return what it could use now, one more than in the last second, and its average need."""
        used = self._used.largest(now_ns)
        return Use(used + 1 if used else 1, self._mean_need(now_ns))

    def on_link(self, now_ns: int) -> int:
        """Mean number of its answered tasks that are on its link."""
        return round(self._answers.per_ns(now_ns) * self.link_ns)

    def shortage(self, now_ns: int) -> int:
        """Credits that it used or wanted beyond those that it has."""
        return max(0, self._used.largest(now_ns) + self.on_link(now_ns) - self._granted)

    def grant(self, now_ns: int, credits: int) -> bool:
        """Take its new credits and return True, or return False if the change is not worth it."""
        change = credits - self._granted
        is_small = abs(change) < max(2.0, SMALL_CHANGE * self._granted)
        if is_small and now_ns - self._granted_ns < SMALL_CHANGE_NS and self._granted:
            is_wanted = change > 0 and self.shortage(now_ns) > 0
        else:
            is_wanted = change != 0
        if is_wanted:
            self._granted, self._granted_ns = credits, now_ns
        return is_wanted

    def _mean_need(self, now_ns: int) -> float:
        weight = math.exp((self._changed_ns - now_ns) / MEAN_NS)
        return weight * self._mean + (1.0 - weight) * (self.open + self._wanted)

    def _keep_mean(self, now_ns: int) -> None:
        self._mean, self._changed_ns = self._mean_need(now_ns), now_ns


def divide(now_ns: int, size: int, edges: Mapping[str, EdgeShare]) -> dict[str, int]:
    """Return each edge's credits: its fair share of `size` places, and those for its link."""
    turn = now_ns // TURN_NS % max(1, len(edges))
    in_turn = (list(edges) * 2)[turn : turn + len(edges)]
    shares = fair_shares(size, {edge_id: edges[edge_id].use(now_ns) for edge_id in in_turn})
    return {edge_id: shares[edge_id] + edge.on_link(now_ns) for edge_id, edge in edges.items()}
