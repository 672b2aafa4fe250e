"""The sessions of a simulated cloud agent: credits, wanted credits, and the waits on the way.

They do what the front of `cloud_agent` does. Left out are its limits on bytes, and the slow reading
and the cutting of an edge that keeps sending without credit: no edge here does.
"""

from __future__ import annotations

from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.core.predictors.transit_delay import TransitDelay
from mc_sched.sim.sent_task import EdgeEnd, SentTask

GRACE_NS = 1_000_000_000
"""Time for which a withdrawn credit is still honoured, as in the agent."""
LOAD_INTERVAL_NS = 50_000_000
"""Least time between two reports of the load to one edge, as in the agent."""


class Session:
    """One edge's session, as the cloud agent knows it."""

    __slots__ = (
        "_before", "_opened_ns", "_reported_ns", "_transit", "credits", "edge", "known_wanted",
        "number", "open_tasks", "sent_credits", "sweep_due", "wanted",
    )  # fmt: skip

    def __init__(self, edge: EdgeEnd, number: int, now_ns: int) -> None:
        self.edge, self.number = edge, number
        self.credits, self.sent_credits = 1, 0
        self.open_tasks = 0
        self.wanted = self.known_wanted = 0
        """Further tasks that the edge would send now, as it reported last; as the machine knows."""
        self.sweep_due = False
        """True if `wanted` will be passed to the machine."""
        self._opened_ns = now_ns
        self._reported_ns = -LOAD_INTERVAL_NS
        self._transit = TransitDelay()
        self._before = SlidingMin(GRACE_NS)
        """Credits that were replaced recently, negated."""

    def grant(self, now_ns: int, credits: int) -> bool:
        """Take the machine's grant; return True if the edge does not know it."""
        credits = max(1, credits)
        if credits < self.credits:
            self._before.add(now_ns, -self.credits)
        self.credits = credits
        return credits != self.sent_credits

    def has_credit(self, now_ns: int) -> bool:
        """Return True if the highest credit of the last second allows another task."""
        return self.open_tasks < max(self.credits, -int(self._before.least(now_ns, 0)))

    def spent_ns(self, now_ns: int, sent: SentTask) -> int:
        """Return the part of a task's time that passed on the edge's queue, hidden, and here."""
        begun_ns = sent.begun_ns
        hidden_ns = self._transit.hidden_ns(
            sent.opened_ns - self._opened_ns, begun_ns - self._opened_ns
        )
        return begun_ns - sent.sent_ns + hidden_ns + now_ns - sent.opened_ns

    def reports_load(self, now_ns: int) -> bool:
        """Return True if a message that is sent now also reports the load."""
        if now_ns - self._reported_ns < LOAD_INTERVAL_NS:
            return False
        self._reported_ns = now_ns
        return True
