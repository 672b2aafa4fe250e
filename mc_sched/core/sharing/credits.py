"""Credits: the number of tasks that each edge may have open in this cloud at a time.

After Breakwater (Cho et al., "Overload Control for us-scale RPCs with Breakwater", OSDI 2020): a
pool of credits grows while the queueing delay is below a target, and shrinks in proportion to the
excess above it. The pool is divided among the edges. An edge without a credit does not send, so a
task that cannot be served costs no radio time, no server time and no round trip.

**Queueing delay.** A wait counts as a share of the task's slack, the longest wait after which it is
still in time. One target therefore suits a budget of 16 ms and one of 1 s. Two waits are measured:
the work ahead of a task that is accepted, which follows a change of load at once, and the wait of a
task that is answered, which shows what the forecasts miss. A task that is refused or stopped
because of others has waited for its whole slack.

**Size.** The pool limits the tasks on this node. It holds nearly `max_tasks` unless a wait was too
long within the last second. Its size depends on the last cut and on the time since then only: it
recovers without any event, and after a second without long waits it is whole again.

**Links.** A task is open for its edge also while it is on its link. So an edge gets its share of
the pool and one credit for each answered task that is on its link on average. Otherwise edges with
a long round trip could not fill the pool, nor batches. Tasks that were not answered do not count:
an edge gets no credits for sending what is refused.

**Shares** are max-min fair (see `core/sharing`). An edge can use as many places as it used or
wanted at most within the last second, and one more. An edge that needs little on average may use
more for a moment. The places that no edge can use are divided equally, so that an idle edge can
send a burst without asking first. Every edge has at least one credit.
"""

from __future__ import annotations

from collections.abc import Sequence

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.predictors.cloud_time import CloudTimePredictor
from mc_sched.core.predictors.recent import Recent
from mc_sched.core.settings import CloudSettings
from mc_sched.core.sharing.edge_share import EdgeShare, divide
from mc_sched.core.task import RefusalCode

TARGET = 0.3
"""Mean wait, as a share of the slack, above which the pool shrinks; Breakwater uses 0.4 of its
latency goal. In simulated overloads of ten times the capacity (budgets of 16 ms to 1 s, 1 to 20
edges, round trips of 1 to 40 ms) 0.3 kept 98% of the goodput and more, and 0.6 kept no more but
refused several times as many tasks. With 0.4, edges of low rates lose more to greedy ones."""
SHRINK = 0.2
"""Share by which the pool shrinks if the wait is twice its target; 0.1 to 0.3 differ little."""
LARGEST_CUT = 0.5
"""Largest share by which the pool shrinks at once."""
RESERVED = 8
"""One in this many of `max_tasks` is left out of the pool, as edges with tasks on their links may
have more tasks here than their share for a moment."""
LARGEST_WAIT = 1.5
"""A longer wait counts as this: a task with hardly any slack left would outweigh all others."""
RECENT_NS = 100_000_000
"""Age at which waits no longer show the present load."""
RECOVERY_NS = 800_000_000
"""Time from a cut until the pool is whole again, if no further wait is too long."""
INTERVAL_NS = 10_000_000
"""Time between two looks at the waits, and between two divisions of the pool."""
URGENT_NS = 1_000_000
"""Least time between two divisions if an edge wants more than it has."""
NANOSECONDS_PER_EDGE = 100_000
"""Added to both for each edge: a division takes about 13 us per edge."""
LINK_WEIGHT = 0.05
"""Weight of the last task in the mean time on the link."""


class OpenTask:
    """A task on this node, as far as credits need it."""

    __slots__ = ("edge_id", "is_unwanted", "received_ns", "slack_ns")

    def __init__(self, event: ev.Received, slack_ns: int) -> None:
        self.edge_id, self.received_ns = event.edge_id, event.now_ns
        self.slack_ns = slack_ns
        """The longest wait after which it is in time; 0 if it is late in any case."""
        self.is_unwanted = False
        """True once the edge has given it up."""


class CreditPool:
    """The credits of one node. `follow` takes each event of the machine with its actions."""

    def __init__(self, settings: CloudSettings, times: CloudTimePredictor) -> None:
        self._settings, self._times = settings, times
        self._edges: dict[str, EdgeShare] = {}
        """Edges by id; one without a session is kept while a task of it is open."""
        self._tasks: dict[str, OpenTask] = {}
        self._open = Recent()
        """Tasks on this node."""
        self._batch = Recent()
        """Tasks in a batch."""
        self._waits: list[float] = []
        """Waits since the last look, as shares of the slack."""
        self._waited_ns = 0
        """Moment of the last of them."""
        self._link_ns = 0.0
        """Mean time of recent tasks on the link."""
        self._size_after_cut, self._cut_ns = 0, -RECOVERY_NS
        self._look_ns = self._divided_ns = 0
        self._is_short = False
        """True if an edge wants more than it has since the last division."""

    def reconfigure(self, settings: CloudSettings) -> None:
        """Use other settings from the next division on."""
        self._settings = settings

    def size(self, now_ns: int) -> int:
        """Return the number of tasks that may be on this node; reading it changes nothing."""
        recovered = min(1.0, (now_ns - self._cut_ns) / RECOVERY_NS)
        most = self._settings.max_tasks - self._settings.max_tasks // RESERVED
        missing = max(0, most - self._size_after_cut)
        return min(most, self._size_after_cut + int(missing * recovered))

    def wanted_not_granted(self, now_ns: int) -> int:
        """Return the credits that edges used or wanted within a second beyond those they have."""
        return sum(edge.shortage(now_ns) for edge in self._edges.values() if edge.sessions)

    # --- events and actions -----------------------------------------------------------------

    def follow(self, event: ev.CloudEvent, actions: Sequence[do.CloudAction]) -> list[do.Grant]:
        """Take an event with the actions that it called for; return the new grants."""
        if isinstance(event, ev.EdgeJoined):
            return self._joined(event)
        if isinstance(event, ev.Received):
            self._received(event)
        elif isinstance(event, ev.EdgeLeft):
            self._left(event.edge_id)
        elif isinstance(event, ev.CreditsWanted) and event.edge_id in self._edges:
            self._edges[event.edge_id].wants(event.now_ns, event.wanted)
        elif isinstance(event, (ev.GiveUpReceived, ev.ClientGone)) and event.task_id in self._tasks:
            self._tasks[event.task_id].is_unwanted = True
        for action in actions:
            if isinstance(action, do.RunStage):
                self._batch.raise_to(event.now_ns, len(action.task_ids))
            elif isinstance(action, do.Accept):
                self._accepted(event.now_ns, action)
            elif isinstance(action, (do.Reply, do.Refuse, do.Reject, do.Stop)):
                self._ended(event.now_ns, action)
        self._look(event.now_ns)
        if isinstance(event, (ev.Received, ev.CreditsWanted)) and event.edge_id in self._edges:
            self._is_short |= self._edges[event.edge_id].shortage(event.now_ns) > 0
        return self._divide(event.now_ns) if self._is_due(event.now_ns) else []

    def _is_due(self, now_ns: int) -> bool:
        interval_ns = URGENT_NS if self._is_short else INTERVAL_NS
        interval_ns += NANOSECONDS_PER_EDGE * len(self._edges)
        return now_ns - self._divided_ns >= interval_ns

    def _joined(self, event: ev.EdgeJoined) -> list[do.Grant]:
        """Divide the pool; if many edges join at once, give each an equal share for the moment."""
        edge = self._edges.setdefault(event.edge_id, EdgeShare())
        edge.joined()
        if self._is_due(event.now_ns):
            return self._divide(event.now_ns)
        credits = self._settings.max_tasks
        if self._settings.credits:
            credits = max(1, self.size(event.now_ns) // len(self._edges))
        edge.grant(event.now_ns, credits)
        return [do.Grant(event.edge_id, credits)]

    def _received(self, event: ev.Received) -> None:
        alone_ns = self._times.shortest_ns(event.now_ns, event.codec, event.accuracy)
        slack_ns = event.budget_ns - event.down_ns - alone_ns if alone_ns else 0
        self._tasks[event.task_id] = OpenTask(event, max(0, slack_ns))
        edge = self._edges.setdefault(event.edge_id, EdgeShare())
        edge.received(event)
        self._link_ns += LINK_WEIGHT * (edge.link_ns - self._link_ns)
        self._open.raise_to(event.now_ns, len(self._tasks))

    def _left(self, edge_id: str) -> None:
        edge = self._edges.get(edge_id)
        if edge is not None and edge.sessions:
            edge.sessions -= 1
            self._forget(edge_id)

    def _accepted(self, now_ns: int, action: do.Accept) -> None:
        task = self._tasks.get(action.task_id)
        if task is not None:
            decoder_ns = now_ns - task.received_ns
            self._waited(now_ns, task, decoder_ns + action.queue_ns)

    def _ended(self, now_ns: int, action: do.Reply | do.Refuse | do.Reject | do.Stop) -> None:
        task = self._tasks.pop(action.task_id, None)
        if task is None:
            return
        if isinstance(action, do.Reply):
            self._waited(now_ns, task, now_ns - task.received_ns - action.compute_ns)
        elif self._tasks and _is_late(action, task):
            self._waited(now_ns, task, task.slack_ns)
        self._edges[task.edge_id].ended(now_ns, isinstance(action, do.Reply))
        self._forget(task.edge_id)

    def _forget(self, edge_id: str) -> None:
        edge = self._edges[edge_id]
        if not edge.sessions and not edge.open:
            del self._edges[edge_id]

    # --- size -------------------------------------------------------------------------------

    def _waited(self, now_ns: int, task: OpenTask, wait_ns: int) -> None:
        if task.slack_ns:
            self._waited_ns = now_ns
            self._waits.append(min(LARGEST_WAIT, max(0, wait_ns) / task.slack_ns))

    def _look(self, now_ns: int) -> None:
        """Cut the pool if the waits since the last look are too long.

        The next cut has to wait until this one can be seen, which takes a round trip.
        """
        if now_ns < self._look_ns:
            return
        is_recent = self._waits and now_ns - self._waited_ns <= RECENT_NS
        wait = sum(self._waits) / len(self._waits) if is_recent else 0.0
        self._waits.clear()
        self._look_ns = now_ns + INTERVAL_NS
        if wait > TARGET:
            used = min(self.size(now_ns), self._open.largest(now_ns))
            cut = min(LARGEST_CUT, SHRINK * (wait - TARGET) / TARGET)
            self._size_after_cut = max(self._least(now_ns), int(used * (1.0 - cut)))
            self._cut_ns = now_ns
            self._look_ns += int(self._link_ns)

    def _least(self, now_ns: int) -> int:
        """Tasks that keep the decoders busy, a batch running and the next one complete."""
        batch = max(1, self._batch.largest(now_ns))
        return min(self._settings.max_tasks, self._settings.decoders + 2 * batch)

    # --- shares -----------------------------------------------------------------------------

    def _divide(self, now_ns: int) -> list[do.Grant]:
        self._divided_ns, self._is_short = now_ns, False
        joined = {edge_id: edge for edge_id, edge in self._edges.items() if edge.sessions}
        if self._settings.credits:
            shares = divide(now_ns, self.size(now_ns), joined)
        else:
            shares = dict.fromkeys(joined, self._settings.max_tasks)
        return [
            do.Grant(edge_id, credits)
            for edge_id, credits in shares.items()
            if joined[edge_id].grant(now_ns, credits)
        ]


def _is_late(action: do.Refuse | do.Reject | do.Stop, task: OpenTask) -> bool:
    """True if the task would be late, or is one too many, because of the other tasks."""
    if isinstance(action, do.Refuse):
        return action.code in (RefusalCode.INFEASIBLE, RefusalCode.TOO_MANY_TASKS)
    return isinstance(action, do.Stop) and not action.failed and not task.is_unwanted
