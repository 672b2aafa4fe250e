"""The edge's credits in the cloud: how many it has, and when the next one will be free.

A credit is taken by a task from its departure until its last message. A task that has none waits
for one of those that are in flight, if it can; nothing is known of the tasks after them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.scores import Forecast
from mc_sched.core.transitions import OPEN_IN_CLOUD, WAITING

FIRST_CREDITS = 1
"""Credits before the cloud has granted any."""
OPEN_PRIOR_NS = 50_000_000
"""Prior of the mean time for which a task holds its credit."""
OPEN_WEIGHT = 0.2
"""Weight of the last task in the mean time for which a task holds its credit."""
UPPER = 3
"""Upper quantile of the wait for a credit over its mean, as for exponentially distributed waits at
95%. Besides, tasks that wait for long leave too little time to those that serve them."""


class EdgeCredits:
    """Credits that the cloud has granted, and what is known of their use."""

    def __init__(self) -> None:
        self.granted = FIRST_CREDITS
        self._open_ns = OPEN_PRIOR_NS
        """Mean time from a task's departure to its last message."""
        self._turned_away: deque[int] = deque()
        """Moments when tasks were not offloaded because there was no credit."""

    def forget(self) -> None:
        """Return to the first credits, as the cloud is gone."""
        self.granted = FIRST_CREDITS

    def ended(self, sent_ns: int, now_ns: int) -> None:
        """Learn from a task's last message."""
        self._open_ns += int(OPEN_WEIGHT * (now_ns - sent_ns - self._open_ns))

    def turned_away(self, now_ns: int) -> None:
        """Count a task that would be offloaded if there were a credit."""
        self._turned_away.append(now_ns)
        while self._turned_away[0] < now_ns - self._open_ns:
            self._turned_away.popleft()

    def free(self, tasks: Iterable[EdgeTask]) -> int:
        """Return the number of tasks that may be sent now; negative if the credits shrank."""
        return self.granted - in_flight(tasks)

    def wanted(self, now_ns: int, tasks: Collection[EdgeTask]) -> int:
        """Return how many further tasks would be open now if there were credits.

        These are the tasks that wait, and those that were turned away so recently that they would
        still be open.
        """
        waiting = sum(task.cloud in WAITING for task in tasks)
        away = sum(at_ns >= now_ns - self._open_ns for at_ns in self._turned_away)
        return max(0, waiting + away - max(0, self.free(tasks)))

    def wait(
        self, now_ns: int, task: EdgeTask, others: Collection[EdgeTask], rtt_ns: int
    ) -> Forecast:
        """Forecast the time until a credit is free for this task.

        Tasks that are due earlier come first.
        """
        ahead = sum(
            other.cloud in WAITING and other.task.due_ns <= task.task.due_ns for other in others
        )
        place = ahead + 1 - self.free(others)
        if place <= 0:
            return Forecast(0, 0)
        ends_ns = sorted(
            self._ends_in_ns(now_ns, other, rtt_ns)
            for other in others
            if other.cloud in OPEN_IN_CLOUD
        )
        if place <= len(ends_ns):
            mean_ns = ends_ns[place - 1]
            return Forecast(mean_ns, int(UPPER * mean_ns))
        rounds = -(-place // max(1, len(ends_ns)))
        mean_ns = int(UPPER * rounds * self._open_ns)
        return Forecast(mean_ns, mean_ns)

    def _ends_in_ns(self, now_ns: int, task: EdgeTask, rtt_ns: int) -> int:
        """Return the time until the last message; one that is overdue may take as long again."""
        attempt = task.offloaded
        if attempt.is_given_up:
            return rtt_ns
        assert attempt.upload is not None
        end_ns = attempt.upload.sent_ns + self._open_ns
        if attempt.acceptance is not None:
            end_ns = attempt.acceptance.expected_at_ns
        elif attempt.requested is not None:
            end_ns = max(end_ns, attempt.queued_ns + attempt.requested.mean_ns)
        return end_ns - now_ns if end_ns >= now_ns else min(now_ns - end_ns, self._open_ns)


def in_flight(tasks: Iterable[EdgeTask]) -> int:
    """Return the number of tasks that hold a credit."""
    return sum(task.cloud in OPEN_IN_CLOUD for task in tasks)
