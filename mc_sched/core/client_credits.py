"""Credits of an edge agent's clients: the number of tasks that each may have open.

They follow the principle of the cloud's credits (Breakwater, Cho et al., OSDI 2020). The pool is
whole unless tasks have waited too long for a site within the last second. A wait counts as a share
of the task's deadline. The size of the pool is a function of the last cut and of the time since
then, so no event is needed for it to recover.

- **Shares.** A client may use what the others leave, and an equal share of the pool in any case.
  Every client has at least one credit.
- **Refused tasks.** The credit of a task that was refused because of the load comes back after the
  time that a served task takes. Otherwise a client whose tasks are refused at once would send as
  many as it can, and refusing them would take the agent's time.
- **Credits in flight.** A client may use the number that it was sent last, however long ago. One
  that has not seen a smaller number yet may use the highest one of the last second.
"""

from __future__ import annotations

from collections import deque

from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.core.task import Outcome, OutcomeKind, RefusalCode

MOST = 64
"""Tasks that all clients together may have open: more than a device can serve within a deadline,
and few enough that a burst is refused within milliseconds."""
LEAST = 4
"""Tasks that keep both sites busy: at each, one that runs and the next one."""
TARGET = 0.12
"""Mean wait, as a share of the deadline, above which the pool shrinks: two local runs before a
deadline of 84 ms. Breakwater's is 0.4 of its latency goal. Less keeps a device as busy, as a run is
short beside a deadline; at 0.2, twice as many tasks were late when other work slowed the device."""
SHRINK, LARGEST_CUT = 0.3, 0.5
"""Share by which the pool shrinks if the wait is twice its target, and at most."""
SHORTEST_NS = 10_000_000
"""Deadline below which a wait does not count: any wait is a large share of it, so one client with
hopeless deadlines would cut the pool of all clients on an idle agent."""
INTERVAL_NS = 10_000_000
"""Least time between two cuts."""
RECOVERY_NS = 1_000_000_000
"""Time from a cut until the pool is whole again, if no wait is too long."""
RECENT_NS = 1_000_000_000
"""Time for which a client counts as active, and for which a higher grant may still be used."""
HELD_NS = 50_000_000
"""Time for which the credit of a refused task is held."""
LOADED = (RefusalCode.INFEASIBLE, RefusalCode.TOO_MANY_TASKS, RefusalCode.CLOUD)
"""Refusals that may come from the load."""


class _Client:
    """One client."""

    def __init__(self) -> None:
        self.open = 0
        self.came_ns = -RECENT_NS
        """Moment of its last task."""
        self.held_until_ns: deque[int] = deque()
        self.granted = 0
        """Credits that it was sent last."""
        self.replaced = SlidingMin(RECENT_NS)
        """Credits that were replaced by other ones, negated."""

    def held(self, now_ns: int) -> int:
        """Return the number of credits that are held back."""
        return sum(1 for until_ns in self.held_until_ns if until_ns > now_ns)


class ClientCredits:
    """The credits of one agent's clients."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._clients: dict[str, _Client] = {}
        self._open = 0
        self._largest_open = 0
        """The most tasks that were open since the last look."""
        self._wait_sum, self._waits = 0.0, 0
        self._cut_size, self._cut_ns = 0, -RECOVERY_NS
        """Size after the last cut, and its moment."""
        self._look_ns = 0

    # --- what clients do --------------------------------------------------------------------

    def joined(self, client: str) -> None:
        """Take a client; it may be known already."""
        self._clients.setdefault(client, _Client())

    def left(self, client: str) -> None:
        """Forget a client without open tasks."""
        del self._clients[client]

    def came(self, now_ns: int, client: str) -> bool:
        """Take a new task; return False if the client has no credit for it."""
        state = self._clients[client]
        state.came_ns = now_ns
        granted = max(state.granted, -int(state.replaced.least(now_ns, 0)))
        if state.open >= max(granted, self._allowed(now_ns, state)):
            return False
        state.open += 1
        self._open += 1
        self._largest_open = max(self._largest_open, self._open)
        return True

    def ended(self, now_ns: int, client: str, outcome: Outcome | None) -> None:
        """Take the end of a task that `came`; None for one that was no task or has no client."""
        state = self._clients[client]
        state.open -= 1
        self._open -= 1
        if outcome is None:
            return
        # a late offload shows the link or the cloud, which grants credits of its own
        if outcome.kind is OutcomeKind.LATE and outcome.codec is None:
            self._waited(now_ns, 1.0)
        elif outcome.refusal in LOADED:
            while state.held_until_ns and state.held_until_ns[0] <= now_ns:
                state.held_until_ns.popleft()
            if len(state.held_until_ns) < self._most:
                state.held_until_ns.append(now_ns + HELD_NS)

    def started(self, now_ns: int, wait_ns: int, deadline_ns: int) -> None:
        """Take the wait of a task until its work at a site started."""
        if deadline_ns >= SHORTEST_NS:
            self._waited(now_ns, min(1.0, wait_ns / deadline_ns))

    def grant(self, now_ns: int, client: str) -> int:
        """Return the number of tasks that a client may have open, to be sent to it."""
        state = self._clients[client]
        credits = self._allowed(now_ns, state)
        if credits != state.granted:
            state.replaced.add(now_ns, -state.granted)
            state.granted = credits
        return credits

    # --- the pool ---------------------------------------------------------------------------

    def size(self, now_ns: int) -> int:
        """Return the number of tasks that may be open now."""
        recovered = min(1.0, (now_ns - self._cut_ns) / RECOVERY_NS)
        return int(self._cut_size + (self._most - self._cut_size) * recovered)

    def _allowed(self, now_ns: int, state: _Client) -> int:
        active = sum(
            1
            for other in self._clients.values()
            if other is state or other.open or other.came_ns > now_ns - RECENT_NS
        )
        size = self.size(now_ns)
        left = size - (self._open - state.open)
        return max(1, max(size // active, left) - state.held(now_ns))

    def _waited(self, now_ns: int, share: float) -> None:
        """Take a wait as a share of the deadline, and cut the pool if the mean is too long."""
        self._wait_sum += share
        self._waits += 1
        if now_ns < self._look_ns:
            return
        mean = self._wait_sum / self._waits
        if mean > TARGET:
            cut = min(LARGEST_CUT, SHRINK * (mean - TARGET) / TARGET)
            used = min(self.size(now_ns), self._largest_open)
            self._cut_size, self._cut_ns = max(LEAST, int(used * (1.0 - cut))), now_ns
        self._look_ns = now_ns + INTERVAL_NS
        self._wait_sum, self._waits = 0.0, 0
        self._largest_open = self._open
