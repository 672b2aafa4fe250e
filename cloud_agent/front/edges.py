"""The edges that have sessions: their credits and their open tasks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cloud_agent.front.recent_ids import RecentIds

if TYPE_CHECKING:
    from cloud_agent.front.session import Session

GRACE_NS = 1_000_000_000
"""Time for which a withdrawn credit is still honoured, besides a task's wait in transit, so that a
task that was sent before the edge knew of the withdrawal is served."""
LONGEST_NS = 60_000_000_000
"""Age at which a withdrawn credit is forgotten: the longest budget of a task."""
EARLY_GIVE_UPS = 1024
EARLY_NS = 5_000_000_000
"""Age at which a give-up that came before its task is forgotten; an id may be used again later."""


class Edge:
    """One edge; it exists while it has a session."""

    def __init__(self, edge_id: str, owner: str) -> None:
        """`owner` is the name on its certificate; empty without one."""
        self.edge_id, self.owner = edge_id, owner
        self.sessions: list[Session] = []
        self.open_tasks = 0
        self.wanted = 0
        """Further tasks that it would send now, as it reported last."""
        self.known_wanted = 0
        """The value of `wanted` that the workers know."""
        self._grants: dict[int, int] = {}
        self._credits = 1
        self._before: deque[tuple[int, int]] = deque()
        """Moments at which the credits shrank, and from which number."""
        self._early = RecentIds(EARLY_GIVE_UPS)
        """Tasks that were given up before they arrived."""

    @property
    def credits(self) -> int:
        """Tasks that the edge may have open; at least 1."""
        return self._credits

    @property
    def share(self) -> int:
        """Credits of each of its sessions."""
        return max(1, self._credits // max(1, len(self.sessions)))

    def grant(self, now_ns: int, worker: int, credits: int | None) -> bool:
        """Take a worker's credits, None if it is down; return True if the sum changes."""
        if credits is None:
            self._grants.pop(worker, None)
        else:
            self._grants[worker] = credits
        before, self._credits = self._credits, max(1, sum(self._grants.values()))
        if self._credits < before:
            self._withdraw(now_ns, before)
        return self._credits != before

    def has_credit(self, now_ns: int, waited_ns: int = 0) -> bool:
        """Return True if the highest credit that the edge may have known allows another task.

        The task waited `waited_ns` in transit.
        """
        if self.open_tasks < self._credits:
            return True
        since_ns = now_ns - waited_ns - GRACE_NS
        return any(at_ns >= since_ns and self.open_tasks < was for at_ns, was in self._before)

    def _withdraw(self, now_ns: int, before: int) -> None:
        """Remember a number of credits that was replaced by a smaller one."""
        while self._before and self._before[0][0] < now_ns - LONGEST_NS:
            self._before.popleft()
        while self._before and self._before[-1][1] <= before:
            self._before.pop()  # the newer number is honoured longer, and is not smaller
        self._before.append((now_ns, before))

    def expect_no_more(self, task_id: str, now_ns: int) -> None:
        """Remember that a task was given up that has not arrived."""
        self._early.add(task_id, now_ns)

    def gave_up_early(self, task_id: str, now_ns: int) -> bool:
        """Return True if a task that arrives now has been given up before."""
        added_ns = self._early.take(task_id)
        return added_ns is not None and now_ns - added_ns < EARLY_NS
