"""Random events, allowed or not: a machine handles each or raises UnexpectedEvent.

In both cases its invariants hold afterwards. No timer is set twice, and none is left behind.
"""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.policies import POLICIES
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import ExitRule, Mode, Privacy, Task
from tests.core.joined import ANSWER, CLOUD, LOCAL, MS, PAYLOADS

many = settings(max_examples=250, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32)
PROBE_TIMER = ("", TimerKind.PROBE)
BATCHED = replace(
    CLOUD,
    batch_sizes=(1, 2, 4),
    stage_batch_ns=tuple((ns, ns * 5 // 4, ns * 3 // 2) for ns in CLOUD.stage_ns),
)
"""The cloud net on a device that runs four tasks in one and a half times the time of one."""
EXITS = tuple(exit_.name for exit_ in CLOUD.exits)


class Random:
    """A machine, the random events for it, and the number of times that each task has ended."""

    def __init__(self, machine, seed):
        self.machine, self.draw = machine, random.Random(seed)
        self.now = 0
        self.begun, self.ended = Counter(), Counter()
        self.refused = 0
        """Number of events that the machine did not allow."""

    def feed(self, event):
        """Perform the actions and return them; None if the machine did not allow the event."""
        try:
            actions = self.machine.handle(event)
        except UnexpectedEvent:
            actions = None
            self.refused += 1
        self.machine.validate()
        for action in actions or ():
            self.perform(action)
        assert self.ended <= self.begun
        return actions

    def begin(self, task_id, event):
        self.begun[task_id] += 1
        if self.feed(event) is None:
            self.begun[task_id] -= 1

    def pass_time(self):
        self.now += self.draw.choice((0, 1, MS, 5 * MS, 30 * MS))

    def recent(self):
        """The id of one of the last tasks, or of one that never was."""
        return self.draw.choice([*self.begun][-6:] or ["nobody"])

    def next_id(self):
        """A new id, sometimes that of a recent task."""
        repeated = self.begun and self.draw.random() < 0.1
        return self.recent() if repeated else f"t{len(self.begun)}"


# --- the edge -----------------------------------------------------------------------------------


class RandomEdge(Random):
    def __init__(self, seed):
        given = EdgeSettings(max_tasks=4, cloud_net_on_edge=seed % 2 == 1, probe_interval_ns=MS)
        super().__init__(EdgeMachine(given, LOCAL), seed)
        self.timers = set()

    def perform(self, action):
        timer = (getattr(action, "task_id", ""), getattr(action, "kind", None))
        if isinstance(action, do.SetTimer):
            assert timer not in self.timers
            self.timers.add(timer)
        elif isinstance(action, do.CancelTimer):
            self.timers.remove(timer)
        elif isinstance(action, do.Finish):
            task_id = action.outcome.task_id
            self.ended[task_id] += 1
            assert not any(owner == task_id for owner, _ in self.timers)

    def step(self):
        self.pass_time()
        chosen = self.draw.random()
        if chosen < 0.15:
            self.submit()
        elif chosen < 0.25 and self.timers:
            timer = self.draw.choice(sorted(self.timers))
            self.timers.remove(timer)
            assert self.feed(ev.TimerFired(self.now, *timer)) is not None
        elif chosen < 0.45:
            assert self.feed(self.about_the_cloud()) is not None
        elif chosen < 0.5:
            assert self.feed(self.about_the_agent()) is not None
        else:
            self.feed(self.about_a_task())

    def submit(self):
        draw = self.draw
        task = Task(
            self.next_id(), draw.choice(("a", "b")), self.now,
            int(draw.uniform(5, 150) * MS), draw.choice((None, 0.5, 0.8, 0.9, 0.99)),
            draw.choice((None, *Mode)), draw.choice((None, *POLICIES)),
            draw.choice(tuple(Privacy)), PAYLOADS,
        )  # fmt: skip
        again = ev.NotSatisfied(self.now, self.recent(), task)
        self.begin(task.task_id, again if draw.random() < 0.15 else ev.Submitted(self.now, task))

    def about_the_cloud(self):
        now, draw = self.now, self.draw
        padding = draw.choice((0, 8_000)), draw.choice((0, 8_000))
        return draw.choice(
            (
                ev.CloudReached(now), ev.CloudFound(now, CLOUD), ev.CloudFound(now, CLOUD),
                ev.CloudGone(now, "cut"), ev.ProbeLost(now, "no answer"),
                ev.LinkSampled(now, draw.randrange(40 * MS), 0, 1.0, "", 0, *padding),
                ev.CloudLoadSampled(now, draw.randrange(40 * MS), draw.uniform(0.5, 3.0)),
            )
        )  # fmt: skip

    def about_the_agent(self):
        now, draw = self.now, self.draw
        new = EdgeSettings(
            mode=draw.choice(tuple(Mode)), policy=draw.choice(tuple(POLICIES)),
            max_tasks=draw.randint(1, 9), max_uploads=draw.choice((None, 1, 3)),
            probe_interval_ns=draw.choice((1, MS)), quantile=draw.uniform(0.5, 0.99),
        )  # fmt: skip
        new = ev.EdgeReconfigured(now, new)
        load, power = ev.DeviceSampled(now, draw.random()), ev.PowerSampled(now, 5.0, "rapl")
        gone = ev.ClientGone(now, self.recent())
        return ev.Drain(now) if draw.random() < 0.05 else draw.choice((new, load, power, gone))

    def about_a_task(self):
        """An event that the task's state may or may not allow."""
        now, draw, task_id = self.now, self.draw, self.recent()
        return draw.choice(
            (
                ev.LocalStarted(now, task_id),
                ev.LocalDone(now, task_id, replace(ANSWER, entropy=draw.random())),
                ev.LocalAborted(now, task_id), ev.LocalFailed(now, task_id, "out of memory"),
                ev.Encoded(now, task_id, MS), ev.EncodeFailed(now, task_id, "out of memory"),
                ev.CloudAccepted(now, task_id, draw.choice(EXITS), 5 * MS, MS),
                ev.CloudRefused(now, task_id, "full"), ev.CloudLost(now, task_id, "cut"),
                ev.CloudProgressed(now, task_id, 1, 3 * MS),
                ev.CloudReplied(now, task_id, draw.choice((*EXITS, "none")), ANSWER, MS, 0, 1.0, 9),
                ev.CloudStopped(now, task_id, "given up", 1, draw.random() < 0.5),
                ev.TimerFired(now, "nobody", draw.choice((TimerKind.DEADLINE, TimerKind.FALLBACK))),
            )
        )  # fmt: skip


@many
@given(seeds)
def test_the_edge_ends_each_task_once_and_its_probing_resumes(seed):
    edge = RandomEdge(seed)
    for _ in range(80):
        edge.step()
    edge.feed(ev.CloudGone(edge.now, "cut"))
    assert PROBE_TIMER not in edge.timers
    for event in (ev.CloudReached(edge.now), ev.TimerFired(edge.now, *PROBE_TIMER)):
        assert any(isinstance(action, do.SendProbe) for action in edge.feed(event))
        edge.feed(ev.ProbeLost(edge.now, "no answer"))
        assert PROBE_TIMER in edge.timers
        edge.timers.remove(PROBE_TIMER)
    for task_id in edge.begun:
        edge.feed(ev.ClientGone(edge.now, task_id))
    assert edge.ended == edge.begun
    assert not edge.timers


# --- the cloud ----------------------------------------------------------------------------------


class RandomCloud(Random):
    def __init__(self, seed):
        given = CloudSettings(max_tasks=4 + 4 * (seed % 2), decoders=1 + seed % 3)
        super().__init__(CloudMachine(given, BATCHED if seed % 2 else CLOUD), seed)
        self.decoding = []
        self.piece = None
        self.largest = 0
        """Number of tasks in the largest batch."""

    def perform(self, action):
        if isinstance(action, do.Decode):
            assert len(self.decoding) < 3
            self.decoding.append(action.task_id)
        elif isinstance(action, (do.RunStage, do.RunHead)):
            assert self.piece is None
            self.piece = action
            self.largest = max(self.largest, len(action.task_ids))
        elif isinstance(action, (do.Reply, do.Stop, do.Refuse, do.Reject)):
            self.ended[action.task_id] += 1

    def step(self):
        self.pass_time()
        draw, now = self.draw, self.now
        chosen = draw.random()
        if chosen < 0.25:
            self.receive()
        elif chosen < 0.6:
            self.work()
        elif chosen < 0.75:
            kind = draw.choice((ev.GiveUpReceived, ev.ClientGone))
            assert self.feed(kind(now, self.recent())) is not None
        elif chosen < 0.8:
            new = CloudSettings(
                draw.uniform(0.5, 0.99), draw.randint(1, 8), draw.randint(1, 8), draw.randint(1, 3)
            )
            sample = ev.LinkSampled(now, 5 * MS, edge_id="edge")
            event = draw.choice((ev.CloudReconfigured(now, new), sample))
            assert self.feed(ev.Drain(now) if draw.random() < 0.05 else event) is not None
        else:
            self.feed(self.misplaced())

    def receive(self):
        draw, task_id = self.draw, self.next_id()
        received = ev.Received(
            self.now, task_id, "edge", draw.choice((0.5, 0.8, 0.9, 0.99)),
            int(draw.uniform(0, 120) * MS), draw.randrange(5) * MS,
            draw.choice(("jpeg", "features", "split3")), draw.choice(tuple(ExitRule)),
        )  # fmt: skip
        self.begin(task_id, received)

    def work(self):
        """End the decoding or the piece of work that is in progress, if there is one."""
        piece, failed = self.piece, self.draw.random() < 0.1
        if self.decoding and (piece is None or self.draw.random() < 0.5):
            decoding = self.decoding.pop(self.draw.randrange(len(self.decoding)))
            done = ev.Decoded(self.now, decoding, MS)
            invalid = ev.DecodeFailed(self.now, decoding, "not a JPEG", True)
            assert self.feed(invalid if failed else done) is not None
        elif piece is not None:
            self.piece = None
            if isinstance(piece, do.RunStage):
                done = ev.StageDone(self.now, piece.task_ids, piece.stage, 3 * MS)
            else:
                answers = (ANSWER,) * len(piece.task_ids)
                done = ev.HeadDone(self.now, piece.task_ids, piece.exit, answers, MS)
            broken = ev.ExecutorFailed(self.now, piece.task_ids, "out of memory")
            assert self.feed(broken if failed else done) is not None

    def misplaced(self):
        """A report about a task that is neither in the decoder nor in the executor."""
        now, at_work = self.now, {*self.decoding, *getattr(self.piece, "task_ids", ())}
        task_id = self.recent()
        task_id = "nobody" if task_id in at_work else task_id
        return self.draw.choice(
            (
                ev.Decoded(now, task_id, 1), ev.DecodeFailed(now, task_id, "", True),
                ev.StageDone(now, (task_id,), 0, MS),
                ev.HeadDone(now, (task_id,), "x", (ANSWER,), 1),
                ev.ExecutorFailed(now, (task_id,), "out of memory"),
            )
        )  # fmt: skip


@many
@given(seeds)
def test_the_cloud_ends_each_task_once_and_awaits_every_decoding(seed):
    cloud = RandomCloud(seed)
    for _ in range(80):
        cloud.step()
    for _ in range(200):
        cloud.pass_time()
        cloud.work()
    assert cloud.ended == cloud.begun
    assert cloud.machine.is_idle
    assert cloud.decoding == []
    assert cloud.piece is None


def test_the_random_events_are_allowed_and_refused():
    """Without this, the properties above could hold because nothing happens."""
    for kind in (RandomEdge, RandomCloud):
        refused = ended = 0
        for seed in range(30):
            history = kind(seed)
            for _ in range(80):
                history.step()
            refused, ended = refused + history.refused, ended + history.ended.total()
        assert refused > 200
        assert ended > 200
