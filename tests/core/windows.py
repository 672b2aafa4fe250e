"""Edges that send as many tasks as they have credits for, and one cloud machine, in virtual time.

The edges decide nothing else: a task goes if a credit is free, waits if one will probably be free
soon, and is turned away otherwise. Tasks arrive at random. The cloud's stages take 1.2 ms and its
heads 0.3 ms, so that it serves about 370 tasks per second at the first acceptable exit.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable, Codec, Exit
from mc_sched.core.task import ExitRule
from tests.core.round_figures import ANSWER, MS

S = 1000 * MS
STAGE_NS, HEAD_NS, DECODE_NS = 12 * MS // 10, 3 * MS // 10, 8 * MS // 10
TABLE = CloudTable(
    "cloud",
    (STAGE_NS,) * 5,
    tuple(
        Exit(f"exit{number}", number, HEAD_NS, {"jpeg": accuracy})
        for number, accuracy in enumerate((0.6, 0.77, 0.83, 0.91, 0.94))
    ),
    codecs=(Codec("jpeg", 0, DECODE_NS),),
)
CAPACITY_PER_S = 370
ENDS = (do.Reply, do.Refuse, do.Reject, do.Stop)


class WindowedEdge:
    """An edge that sends tasks at random until `until_s`."""

    def __init__(
        self, name: str, per_s: float, rtt_ms=10.0, budget_ms=84.0, since_s=0.0, until_s=1e6
    ) -> None:
        self.name, self.per_s = name, per_s
        self.half_rtt_ns, self.budget_ns = int(rtt_ms / 2 * MS), int(budget_ms * MS)
        self.since_s, self.until_s = since_s, until_s
        self.credits, self.in_flight = 1, 0
        self.waiting: list[tuple[str, int]] = []
        self.turned_away: list[int] = []
        self.open_ns = 2.0 * self.half_rtt_ns + 4 * MS
        """Mean time from a task's departure to its answer."""
        self.counts: Counter[str] = Counter()
        self.good_ns: list[int] = []
        """Moments of the answers in time."""

    def may_wait(self) -> bool:
        """True if a further task would get a credit of one that is in flight now, in time."""
        place = len(self.waiting) + 1
        left_ns = self.budget_ns - self.open_ns
        return place <= self.credits and 3 * place / self.credits * self.open_ns <= left_ns

    def wanted(self, now_ns: int) -> int:
        """Tasks that would be open as well if there were credits for them."""
        self.turned_away = [at for at in self.turned_away if at > now_ns - self.open_ns]
        return len(self.waiting) + len(self.turned_away)

    @property
    def goodput(self) -> float:
        """Share of its tasks that were answered in time."""
        return self.counts["good"] / max(1, self.counts["offered"])


class Windows:
    """One history of a cloud and its edges."""

    def __init__(self, *edges: WindowedEdge, seed: int = 0, **settings: Any) -> None:
        self.edges = {edge.name: edge for edge in edges}
        self.cloud = CloudMachine(CloudSettings(**settings), TABLE)
        self.draw = random.Random(seed)
        self.now_ns = 0
        self.grants: list[tuple[int, do.Grant]] = []
        self.most_open = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order, self._numbers = itertools.count(), itertools.count()
        self._sent: dict[str, tuple[WindowedEdge, int, int]] = {}
        for edge in edges:
            self._after(edge.since_s * S, self._join, edge)

    def run(self, until_s: float) -> "Windows":
        while self._heap and self._heap[0][0] <= until_s * S:
            self.now_ns, _, act, args = heapq.heappop(self._heap)
            act(*args)
        return self

    def total(self, count: str) -> int:
        return sum(edge.counts[count] for edge in self.edges.values())

    def _after(self, delay_ns: float, act: Callable[..., None], *args: Any) -> None:
        at_ns = self.now_ns + int(delay_ns)
        heapq.heappush(self._heap, (at_ns, next(self._order), act, args))

    # --- an edge ----------------------------------------------------------------------------

    def _join(self, edge: WindowedEdge) -> None:
        self._feed(ev.EdgeJoined(self.now_ns, edge.name))
        self._after(self.draw.expovariate(edge.per_s) * S, self._submit, edge)

    def _submit(self, edge: WindowedEdge) -> None:
        if self.now_ns > edge.until_s * S:
            return
        self._after(self.draw.expovariate(edge.per_s) * S, self._submit, edge)
        edge.counts["offered"] += 1
        task = f"{edge.name}/{next(self._numbers)}", self.now_ns + edge.budget_ns
        if edge.in_flight < edge.credits:
            self._send(edge, *task)
        elif edge.may_wait():
            edge.waiting.append(task)
        else:
            self._turn_away(edge)

    def _turn_away(self, edge: WindowedEdge) -> None:
        edge.counts["turned away"] += 1
        edge.turned_away.append(self.now_ns)

    def _send(self, edge: WindowedEdge, task_id: str, due_ns: int) -> None:
        edge.in_flight += 1
        edge.counts["sent"] += 1
        self._sent[task_id] = edge, due_ns, self.now_ns
        self._after(edge.half_rtt_ns, self._receive, edge, task_id, edge.wanted(self.now_ns))

    def _send_waiting(self, edge: WindowedEdge) -> None:
        while edge.waiting and edge.in_flight < edge.credits:
            task_id, due_ns = edge.waiting.pop(0)
            if due_ns - self.now_ns < edge.open_ns:
                self._turn_away(edge)
            else:
                self._send(edge, task_id, due_ns)

    def _granted(self, edge: WindowedEdge, credits: int) -> None:
        edge.credits = credits
        self._send_waiting(edge)

    def _ended(self, task_id: str, action: do.CloudAction) -> None:
        edge, due_ns, sent_ns = self._sent.pop(task_id)
        edge.in_flight -= 1
        if not isinstance(action, do.Reply):
            edge.counts["refused" if isinstance(action, do.Refuse) else "stopped"] += 1
        else:
            edge.open_ns += 0.1 * (self.now_ns - sent_ns - edge.open_ns)
            edge.counts["good" if self.now_ns <= due_ns else "late"] += 1
            if self.now_ns <= due_ns:
                edge.good_ns.append(self.now_ns)
        self._send_waiting(edge)

    # --- the cloud --------------------------------------------------------------------------

    def _receive(self, edge: WindowedEdge, task_id: str, wanted: int) -> None:
        left_ns = max(1, self._sent[task_id][1] - self.now_ns)
        self._feed(
            ev.Received(
                self.now_ns, task_id, edge.name, 0.75, left_ns, edge.half_rtt_ns, "jpeg",
                ExitRule.ADAPTIVE, None, 0, wanted,
            )
        )  # fmt: skip

    def _feed(self, event: ev.CloudEvent) -> None:
        actions = self.cloud.handle(event)
        self.cloud.validate()
        self.most_open = max(self.most_open, self.cloud.load(self.now_ns).tasks)
        for action in actions:
            self._perform(action)

    def _perform(self, action: do.CloudAction) -> None:
        if isinstance(action, do.Decode):
            self._after(DECODE_NS, self._decoded, action.task_id)
        elif isinstance(action, do.RunStage):
            took_ns = self._took_ns(STAGE_NS * len(action.task_ids))
            self._after(took_ns, self._stage_done, action, took_ns)
        elif isinstance(action, do.RunHead):
            took_ns = self._took_ns(HEAD_NS * len(action.task_ids))
            self._after(took_ns, self._head_done, action, took_ns)
        elif isinstance(action, do.Grant):
            self.grants.append((self.now_ns, action))
            edge = self.edges[action.edge_id]
            self._after(edge.half_rtt_ns, self._granted, edge, action.credits)
        elif isinstance(action, ENDS):
            edge = self._sent[action.task_id][0]
            self._after(edge.half_rtt_ns, self._ended, action.task_id, action)

    def _took_ns(self, profiled_ns: int) -> int:
        return int(profiled_ns * self.draw.uniform(0.85, 1.15))

    def _decoded(self, task_id: str) -> None:
        self._feed(ev.Decoded(self.now_ns, task_id, DECODE_NS))

    def _stage_done(self, action: do.RunStage, took_ns: int) -> None:
        self._feed(ev.StageDone(self.now_ns, action.task_ids, action.stage, took_ns))

    def _head_done(self, action: do.RunHead, took_ns: int) -> None:
        answers = (ANSWER,) * len(action.task_ids)
        self._feed(ev.HeadDone(self.now_ns, action.task_ids, action.exit, answers, took_ns))
