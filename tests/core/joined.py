"""Both machines joined in memory: a virtual clock, a lossy wire, executors of random speed."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import replace

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import TimerKind
from mc_sched.core.policies import POLICIES
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, Codec, EntropyThreshold, Exit, LocalTable
from mc_sched.core.task import Mode, Prediction, Privacy, Task

MS = 1_000_000
ACCURACIES = (0.6, 0.77, 0.83, 0.91, 0.94)
SPLITS = tuple(Codec(f"split{n}", n, 0, 12_000 // n) for n in range(1, 5))
ENCODE_NS = {"features": 4 * MS} | {split.name: 5 * split.stage * MS for split in SPLITS}


def _by_codec(stage: int, accuracy: float) -> dict[str, float]:
    features = {"features": accuracy - 0.02} if stage >= 1 else {}
    return {"jpeg": accuracy} | features | {f"split{n}": accuracy for n in range(1, stage + 1)}


EXITS = tuple(Exit(f"exit{i}", i, MS // 2, _by_codec(i, a)) for i, a in enumerate(ACCURACIES))
CLOUD = CloudTable(
    "cloud",
    stage_ns=(3 * MS,) * 5,
    exits=EXITS,
    codecs=(Codec("jpeg", 0, MS), Codec("features", 1, MS, 3_000)),
    splits=SPLITS,
)
LOCAL = LocalTable(
    "local", 0.8, (10, 20, 20, 10), (2 * MS, 4 * MS, 4 * MS, 2 * MS), ENCODE_NS,
    thresholds=tuple(
        EntropyThreshold(entropy, entropy, {"jpeg": reached, "features": reached - 0.02}, 0.6)
        for entropy, reached in ((0.0, 0.94), (0.5, 0.9), (1.0, 0.8))
    ),
    cloud_net=CloudTable("cloud", (5 * MS,) * 5, EXITS),
)  # fmt: skip
PAYLOADS = {"jpeg": 12_000, "features": 3_000}
ANSWER = Prediction(((0, 1.0),))


class Joined:
    """One history. Every event goes through `validate()` of its machine."""

    def __init__(self, seed: int, loss: float, slowest: float) -> None:
        self.draw = random.Random(seed)
        self.loss, self.slowest = loss, slowest
        self.edge_settings = EdgeSettings(
            max_tasks=12, cloud_net_on_edge=seed % 2 == 1, probe_interval_ns=20 * MS
        )
        self.edge = EdgeMachine(self.edge_settings, LOCAL)
        self.cloud = CloudMachine(CloudSettings(max_tasks=6), CLOUD)
        self.now = 0
        self.heap: list = []
        self.arriving = 0  # tasks that have not been submitted yet
        self.order = itertools.count()
        self.tasks: dict[str, Task] = {}
        self.outcomes: dict[str, list] = {}
        self.timers: set = set()
        self.calls: set[str] = set()  # the edge still waits for the call's end
        self.unwanted: set[str] = set()  # give-up or hang-up has reached the cloud
        self.sent: dict[str, str] = {}  # the codec of each task whose image has left
        self.aborted: set[str] = set()
        self.credits = 1
        self.most_in_flight = 0

    def at(self, delay_ns: float, action, *args) -> None:
        heapq.heappush(self.heap, (self.now + int(delay_ns), next(self.order), action, args))

    def run(self, tasks: int) -> None:
        self.arriving = tasks
        self.find_cloud()
        when = 0.0
        for number in range(tasks):
            when += self.draw.expovariate(1 / 12) * MS
            self.at(when, self.submit, number)
        while self.heap:
            self.now, _, action, args = heapq.heappop(self.heap)
            action(*args)

    # --- the edge's side --------------------------------------------------------------------

    def submit(self, number: int) -> None:
        draw = self.draw
        self.arriving -= 1
        if draw.random() < 0.1:
            self.to_edge(ev.LinkSampled(self.now, int(draw.random() * 40 * MS), 0, 1.0))
        if draw.random() < 0.05:
            load = self.cloud.load(self.now)
            self.to_edge(ev.CloudLoadSampled(self.now, load.queue_ns, load.slowdown))
        if draw.random() < 0.05:
            lost = draw.random() < 0.5
            if lost:
                self.credits = 1
                self.to_edge(ev.CloudGone(self.now, "cut"))
                self.to_cloud(ev.EdgeLeft(self.now, "edge"))
            else:
                self.find_cloud()
        task = Task(
            f"t{number}", f"s{number % 3}", self.now, int(draw.uniform(5, 150) * MS),
            draw.choice((None, 0.5, 0.8, 0.9, 0.99)), draw.choice((None, *Mode)),
            draw.choice((None, *POLICIES)), draw.choice(tuple(Privacy)), PAYLOADS,
        )  # fmt: skip
        self.tasks[task.task_id] = task
        self.to_edge(ev.Submitted(self.now, task))
        if draw.random() < 0.05:
            self.at(draw.uniform(0, 60) * MS, self.leave, task.task_id)

    def find_cloud(self) -> None:
        self.to_edge(ev.CloudReached(self.now))
        self.to_cloud(ev.EdgeJoined(self.now, "edge"))
        if self.draw.random() < 0.2:
            self.at(0, self.to_cloud, ev.CreditsWanted(self.now, "edge", self.draw.randrange(9)))
        self.to_edge(ev.CloudFound(self.now, CLOUD))

    def leave(self, task_id: str) -> None:
        self.to_edge(ev.ClientGone(self.now, task_id))

    def to_edge(self, event: ev.EdgeEvent) -> None:
        actions = self.edge.handle(event)
        self.edge.validate()
        for action in actions:
            self.perform(action)

    def perform(self, action: do.EdgeAction) -> None:
        if isinstance(action, do.StartLocal):
            if action.exit:
                self.at(0, self.whole_step, action.task_id, action.exit, -1)
            else:
                self.at(0, self.local_step, action.task_id, -1)
        elif isinstance(action, do.AbortLocal):
            self.aborted.add(action.task_id)
        elif isinstance(action, do.Encode):
            took = int(ENCODE_NS[action.codec] * self.draw.uniform(0.7, self.slowest))
            self.at(took, self.encoded, action.task_id, took)
        elif isinstance(action, do.SendToCloud):
            assert len(self.calls) < self.credits, "a task was sent without a credit"
            self.most_in_flight = max(self.most_in_flight, len(self.calls) + 1)
            self.sent[action.task_id] = action.codec
            self.calls.add(action.task_id)
            self.at(self.delay(), self.receive, action)
            if self.draw.random() < self.loss:
                self.at(self.draw.uniform(0, 80) * MS, self.lose, action.task_id)
        elif isinstance(action, do.SendGiveUp):
            for _ in range(self.draw.choice((1, 1, 2))):  # a give-up may come twice
                self.at(self.delay(), self.give_up_arrives, action.task_id)
            self.at(300 * MS, self.lose, action.task_id)
        elif isinstance(action, do.SendProbe):
            self.at(2 * self.delay(), self.probed, action)
        elif isinstance(action, do.SetTimer):
            if action.kind is TimerKind.PROBE and not self.arriving:
                return  # the history is over
            self.timers.add((action.task_id, action.kind))
            self.at(max(0, action.at_ns - self.now), self.fire, action.task_id, action.kind)
        elif isinstance(action, do.CancelTimer):
            self.timers.discard((action.task_id, action.kind))
        elif isinstance(action, do.Finish):
            self.outcomes.setdefault(action.outcome.task_id, []).append(action.outcome)

    def fire(self, task_id: str, kind) -> None:
        if (task_id, kind) in self.timers:
            self.timers.discard((task_id, kind))
            self.to_edge(ev.TimerFired(self.now, task_id, kind))

    def probed(self, action: do.SendProbe) -> None:
        """A probe is answered or lost."""
        if self.draw.random() < self.loss:
            self.to_edge(ev.ProbeLost(self.now, "no answer"))
        else:
            self.to_edge(
                ev.LinkSampled(
                    self.now, int(self.draw.random() * 40 * MS),
                    up_bytes=action.up_bytes, down_bytes=action.down_bytes,
                )
            )  # fmt: skip

    def encoded(self, task_id: str, took: int) -> None:
        if self.draw.random() < 0.02:
            self.to_edge(ev.EncodeFailed(self.now, task_id, "out of memory"))
        else:
            self.to_edge(ev.Encoded(self.now, task_id, took))

    def local_step(self, task_id: str, layer: int) -> None:
        if layer < 0:
            self.to_edge(ev.LocalStarted(self.now, task_id))
        else:
            self.to_edge(ev.LocalLayerDone(self.now, task_id, layer))
        if task_id in self.aborted:
            self.to_edge(ev.LocalAborted(self.now, task_id))
        elif layer + 1 == len(LOCAL.layer_ns):
            answer = replace(ANSWER, entropy=self.draw.random())
            self.to_edge(ev.LocalDone(self.now, task_id, answer))
        elif self.draw.random() < 0.01:
            self.to_edge(ev.LocalFailed(self.now, task_id, "out of memory"))
        else:
            took = LOCAL.layer_ns[layer + 1] * self.draw.uniform(0.7, self.slowest)
            self.at(took, self.local_step, task_id, layer + 1)

    def whole_step(self, task_id: str, exit_: str, stage: int) -> None:
        """The cloud net on the device, which reports no progress."""
        if stage < 0:
            self.to_edge(ev.LocalStarted(self.now, task_id))
        if task_id in self.aborted:
            self.to_edge(ev.LocalAborted(self.now, task_id))
        elif stage == LOCAL.cloud_net.exit_named(exit_).stage:
            self.to_edge(ev.LocalDone(self.now, task_id, ANSWER))
        elif self.draw.random() < 0.01:
            self.to_edge(ev.LocalFailed(self.now, task_id, "out of memory"))
        else:
            took = LOCAL.cloud_net.stage_ns[stage + 1] * self.draw.uniform(0.7, self.slowest)
            self.at(took, self.whole_step, task_id, exit_, stage + 1)

    # --- the wire and the cloud's side ------------------------------------------------------

    def delay(self) -> float:
        return self.draw.uniform(0.5, 20) * self.slowest * MS

    def lose(self, task_id: str) -> None:
        if task_id in self.calls:
            self.calls.discard(task_id)
            self.to_edge(ev.CloudLost(self.now, task_id, "the connection broke"))
            self.at(self.delay(), self.hang_up_arrives, task_id)

    def receive(self, action: do.SendToCloud) -> None:
        """The payload has arrived and waits for the decoder, unless it is unwanted or refused."""
        if action.task_id not in self.calls or action.task_id in self.unwanted:
            self.answer(ev.CloudStopped(self.now, action.task_id, "given up"))
            return
        self.to_cloud(
            ev.Received(
                self.now, action.task_id, "edge", action.accuracy, action.budget_ns,
                action.down_ns, action.codec, action.exit_rule, action.reply_in_ns, 0,
                action.wanted,
            )
        )  # fmt: skip

    def decoded(self, task_id: str, took: int) -> None:
        if self.draw.random() < 0.02:
            invalid = self.draw.random() < 0.5
            self.to_cloud(ev.DecodeFailed(self.now, task_id, "not an image", invalid))
        else:
            self.to_cloud(ev.Decoded(self.now, task_id, took))

    def give_up_arrives(self, task_id: str) -> None:
        self.unwanted.add(task_id)
        self.to_cloud(ev.GiveUpReceived(self.now, task_id))

    def hang_up_arrives(self, task_id: str) -> None:
        self.unwanted.add(task_id)
        self.to_cloud(ev.ClientGone(self.now, task_id))

    def to_cloud(self, event: ev.CloudEvent) -> None:
        actions = self.cloud.handle(event)
        self.cloud.validate()
        for action in actions:
            self.perform_cloud(action)

    def perform_cloud(self, action: do.CloudAction) -> None:
        took = int(3 * MS * self.draw.uniform(0.7, self.slowest))
        if isinstance(action, do.Decode):
            assert action.task_id not in self.unwanted, "a decoding started after the give-up"
            self.at(took // 3, self.decoded, action.task_id, took // 3)
        elif isinstance(action, do.RunStage):
            assert not self.unwanted & set(action.task_ids), "a stage started after the give-up"
            for task_id in action.task_ids:
                assert action.stage >= CLOUD.codec_named(self.sent[task_id]).stage
            if self.draw.random() < 0.01:
                self.at(took, self.cloud_fails, action.task_ids)
            else:
                self.at(took, self.stage_done, action, took)
        elif isinstance(action, do.RunHead):
            assert not self.unwanted & set(action.task_ids), "a head started after the give-up"
            self.at(took // 6, self.head_done, action, took // 6)
        elif isinstance(action, do.Grant):
            self.at(MS, self.granted, action.credits)
        elif not isinstance(action, do.RecordScore):
            self.at(self.delay() if not isinstance(action, do.Accept) else MS, self.news, action)

    def granted(self, credits: int) -> None:
        self.credits = credits
        self.to_edge(ev.CreditsGranted(self.now, credits))

    def stage_done(self, action: do.RunStage, took: int) -> None:
        self.to_cloud(ev.StageDone(self.now, action.task_ids, action.stage, took))

    def head_done(self, action: do.RunHead, took: int) -> None:
        self.to_cloud(
            ev.HeadDone(
                self.now, action.task_ids, action.exit, (ANSWER,) * len(action.task_ids), took
            )
        )

    def cloud_fails(self, task_ids: tuple[str, ...]) -> None:
        self.to_cloud(ev.ExecutorFailed(self.now, task_ids, "out of memory"))

    def news(self, action) -> None:
        task_id = action.task_id
        if isinstance(action, do.Accept):
            event = ev.CloudAccepted(
                self.now, task_id, action.exit, action.predicted_ns, action.queue_ns
            )
        elif isinstance(action, do.Progress):
            event = ev.CloudProgressed(self.now, task_id, action.stage, action.remaining_ns)
        elif isinstance(action, do.Reply):
            event = ev.CloudReplied(
                self.now, task_id, action.exit, action.prediction, action.compute_ns,
                action.queue_ns, action.slowdown, 300,
            )  # fmt: skip
        elif isinstance(action, do.Reject):
            event = ev.CloudLost(self.now, task_id, action.reason)
        elif isinstance(action, do.Refuse):
            event = ev.CloudRefused(self.now, task_id, action.reason)
        else:
            event = ev.CloudStopped(
                self.now, task_id, action.reason, action.compute_ns, action.failed
            )
        self.answer(event)

    def answer(self, event) -> None:
        if event.task_id in self.calls:
            if not isinstance(event, (ev.CloudAccepted, ev.CloudProgressed)):
                self.calls.discard(event.task_id)
            self.to_edge(event)
