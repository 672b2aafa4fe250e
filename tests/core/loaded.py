"""Both machines in memory under a load that comes and goes: a virtual clock, steerable speeds.

`Conditions` says how slow everything is at the moment. When the load has ended, everything runs at
its profiled time over the link that the priors describe.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.events import TimerKind
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable
from mc_sched.core.task import OutcomeKind, Prediction, Task

MS = 1_000_000
S = 1000 * MS
PRIOR_RTT_NS, PRIOR_BPS = 30 * MS, 4e6
IMAGE_BYTES = {"jpeg": 10_000, "features": 3_000}
CLOUD = CloudTable(
    "cloud",
    stage_ns=(4 * MS, 6 * MS, 2 * MS, 5 * MS, 4 * MS),
    exits=tuple(
        Exit(
            f"exit{stage}", stage, MS,
            {"jpeg": accuracy} | ({"features": accuracy - 0.02} if stage >= 1 else {}),
        )
        for stage, accuracy in enumerate((0.6, 0.77, 0.83, 0.91, 0.99))
    ),
    codecs=(Codec("jpeg", 0, 2 * MS), Codec("features", 1, MS, IMAGE_BYTES["features"])),
)  # fmt: skip
LOCAL = LocalTable(
    "local", 0.8, (10, 30, 40, 20), (5 * MS,) * 4, encode_ns={"features": 5 * MS},
    cloud_net=replace(
        CLOUD,
        stage_ns=(12 * MS,) * 5,
        exits=tuple(
            Exit(e.name, e.stage, 2 * MS, {"jpeg": e.accuracy["jpeg"]}) for e in CLOUD.exits
        ),
        codecs=(Codec("jpeg"),),
    ),
)  # fmt: skip
ANSWER = Prediction(((0, 1.0),))


@dataclass(frozen=True)
class Conditions:
    """Factors on profiled times, the link, and probabilities of faults."""

    stages: tuple[float, ...] = (1.0,) * 5
    heads: float = 1.0
    decoder: float = 1.0
    local: float = 1.0
    encoder: float = 1.0
    link: float = 1.0
    """Factor on the round trip and on the transfer times."""
    lost: float = 0.0
    """Probability that a call or a probe is lost."""
    refused: float = 0.0
    """Probability that the cloud agent refuses a task before its machine sees it."""
    failing: float = 0.0
    """Probability that an executor, decoder or encoder fails at its work."""
    unwanted: float = 0.0
    """Probability that a task is given up, or that its client leaves."""


class Timeline:
    """A virtual clock with appointments."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now = S
        self.conditions = Conditions()
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()

    def after(self, delay_ns: float, act: Callable[..., None], *args: Any) -> None:
        """Make an appointment."""
        at_ns = self.now + max(0, int(delay_ns))
        heapq.heappush(self._heap, (at_ns, next(self._order), act, args))

    def run_until(self, end_ns: int) -> None:
        """Keep all appointments until this moment."""
        while self._heap and self._heap[0][0] <= end_ns:
            self.now, _, act, args = heapq.heappop(self._heap)
            act(*args)
        self.now = max(self.now, end_ns)

    def chance(self, probability: float) -> bool:
        return self.draw.random() < probability


class LoadedCloud:
    """A cloud machine with a decoder and an executor as slow as the conditions say."""

    def __init__(self, time: Timeline) -> None:
        self.time = time
        self.machine = CloudMachine(CloudSettings(), CLOUD)
        self.log: list[tuple[ev.CloudEvent, list[do.CloudAction]]] = []
        self.arrived: set[str] = set()
        self.ends: dict[str, do.CloudAction] = {}
        self.edges: dict[str, LoadedEdge] = {}
        self._edge_of: dict[str, str] = {}

    def feed(self, event: ev.CloudEvent) -> None:
        if isinstance(event, ev.Received):
            self.arrived.add(event.task_id)
        actions = self.machine.handle(event)
        self.log.append((event, actions))
        self.machine.validate()
        for action in actions:
            self._perform(action)

    def arrives(self, event: ev.Received) -> None:
        """A payload of one of the edges has arrived."""
        self._edge_of[event.task_id] = event.edge_id
        self.feed(event)

    def receive(
        self, task_id: str, accuracy: float, budget_ns: int, down_ns: int = 0, codec: str = "jpeg"
    ) -> None:
        """A payload has arrived."""
        self.feed(ev.Received(self.time.now, task_id, "e", accuracy, budget_ns, down_ns, codec))

    def report_rtt(self, rtt_ns: int, edge_id: str = "e") -> None:
        """An edge reports a round trip."""
        self.feed(ev.LinkSampled(self.time.now, rtt_ns, edge_id=edge_id))

    def _perform(self, action: do.CloudAction) -> None:
        time, now = self.time, self.time.conditions
        if isinstance(action, do.Decode):
            took = int(CLOUD.codec_named(action.codec).decode_ns * now.decoder)
            time.after(took, self._decoded, action.task_id, took)
        elif isinstance(action, do.RunStage):
            took = int(CLOUD.stage_ns[action.stage] * now.stages[action.stage])
            time.after(took, self._stage_done, action, took)
        elif isinstance(action, do.RunHead):
            took = int(CLOUD.exit_named(action.exit).head_ns * now.heads)
            time.after(took, self._head_done, action, took)
        elif isinstance(action, do.Grant):
            self.edges[action.edge_id].granted(action)
        elif not isinstance(action, do.RecordScore):
            if not isinstance(action, do.Accept | do.Progress):
                self.ends[action.task_id] = action
            if action.task_id in self._edge_of:
                self.edges[self._edge_of[action.task_id]].cloud_says(action)

    def _decoded(self, task_id: str, took: int) -> None:
        if self.time.chance(self.time.conditions.failing):
            self.feed(ev.DecodeFailed(self.time.now, task_id, "out of memory", False))
        else:
            self.feed(ev.Decoded(self.time.now, task_id, took))

    def _stage_done(self, action: do.RunStage, took: int) -> None:
        if not self._failed(action.task_ids):
            self.feed(ev.StageDone(self.time.now, action.task_ids, action.stage, took))

    def _head_done(self, action: do.RunHead, took: int) -> None:
        if not self._failed(action.task_ids):
            answers = (ANSWER,) * len(action.task_ids)
            now_ns = self.time.now
            self.feed(ev.HeadDone(now_ns, action.task_ids, action.exit, answers, took))

    def _failed(self, task_ids: tuple[str, ...]) -> bool:
        failed = self.time.chance(self.time.conditions.failing)
        if failed:
            self.feed(ev.ExecutorFailed(self.time.now, task_ids, "out of memory"))
        return failed


class LoadedEdge:
    """An edge machine with a local executor, an encoder and a link to a cloud machine, if any."""

    def __init__(
        self,
        time: Timeline,
        cloud: LoadedCloud | None,
        settings: EdgeSettings | None = None,
        edge_id: str = "e",
    ) -> None:
        self.time, self.cloud, self.edge_id = time, cloud, edge_id
        self.machine = EdgeMachine(settings or EdgeSettings(), LOCAL)
        self.log: list[tuple[ev.EdgeEvent, list[do.EdgeAction]]] = []
        self.outcomes: dict[str, Any] = {}
        self._timers: dict[tuple[str, TimerKind], int] = {}
        self._aborted: set[str] = set()
        self._calls: set[str] = set()
        self._left_ns = 0
        self._lost_probes = 0
        self.credits, self.sent = 1, 0
        self._probe_sent_in = self.time.conditions
        """The conditions under which the probe that is under way was sent."""
        self._heard_ns = 0
        """Arrival of the last message from the cloud; they arrive in order."""
        if cloud is not None:
            cloud.edges[edge_id] = self
            self._reach()

    def feed(self, event: ev.EdgeEvent) -> None:
        actions = self.machine.handle(event)
        self.log.append((event, actions))
        self.machine.validate()
        for action in actions:
            self._perform(action)

    def submit(self, task_id: str, deadline_ns: int, accuracy: float, **fields: Any) -> None:
        """Submit a task; sometimes its client leaves."""
        now = self.time.now
        task = Task(
            task_id, "s", now, deadline_ns, accuracy, payload_bytes=dict(IMAGE_BYTES), **fields
        )
        self.feed(ev.Submitted(now, task))
        if self.time.chance(self.time.conditions.unwanted):
            left_ns = self.time.draw.random() * deadline_ns
            self.time.after(left_ns, lambda: self.feed(ev.ClientGone(self.time.now, task_id)))

    def sense(self, busy: float) -> None:
        """Take a sample of the device's load by other programs."""
        self.feed(ev.DeviceSampled(self.time.now, busy))

    @property
    def is_idle(self) -> bool:
        """True if nothing is left of the load, in the machine and on the link."""
        is_quiet = self._probe_sent_in == self.time.conditions and self._left_ns <= self.time.now
        return self.machine.is_idle and is_quiet

    def _perform(self, action: do.EdgeAction) -> None:
        time, now = self.time, self.time.conditions
        if isinstance(action, do.StartLocal):
            time.after(0, self._local_step, action, -1)
        elif isinstance(action, do.AbortLocal):
            self._aborted.add(action.task_id)
        elif isinstance(action, do.Encode):
            took = int(LOCAL.encode_ns[action.codec] * now.encoder)
            time.after(took, self._encoded, action.task_id, took)
        elif isinstance(action, do.SendToCloud):
            self._send(action)
        elif isinstance(action, do.SendGiveUp):
            time.after(self._half_rtt_ns(), self._give_up_arrives, action.task_id)
        elif isinstance(action, do.SendProbe):
            size = action.up_bytes + action.down_bytes
            self._probe_sent_in = now
            took = 2 * self._half_rtt_ns() + self._transfer_ns(size)
            time.after(min(took, 2 * S), self._probed, action, took)
        elif isinstance(action, do.SetTimer):
            self._timers[action.task_id, action.kind] = action.at_ns
            time.after(action.at_ns - time.now, self._fire, action)
        elif isinstance(action, do.CancelTimer):
            self._timers.pop((action.task_id, action.kind), None)
        elif isinstance(action, do.Finish):
            assert action.outcome.task_id not in self.outcomes, "a second outcome"
            self.outcomes[action.outcome.task_id] = action.outcome

    def _fire(self, timer: do.SetTimer) -> None:
        key = (timer.task_id, timer.kind)
        if self._timers.get(key) == timer.at_ns:
            del self._timers[key]
            self.feed(ev.TimerFired(self.time.now, *key))

    # --- the device -------------------------------------------------------------------------

    def _local_step(self, action: do.StartLocal, layer: int) -> None:
        now, task_id = self.time.now, action.task_id
        layers = (5 * MS,) * 4
        if action.exit:
            net = LOCAL.cloud_net
            assert net is not None
            layers = net.stage_ns[: net.exit_named(action.exit).stage + 1]
        if layer < 0:
            self.feed(ev.LocalStarted(now, task_id))
        elif not action.exit:
            self.feed(ev.LocalLayerDone(now, task_id, layer))
        if task_id in self._aborted:
            self._aborted.discard(task_id)
            self.feed(ev.LocalAborted(now, task_id))
        elif layer + 1 == len(layers):
            self.feed(ev.LocalDone(now, task_id, ANSWER))
        elif self.time.chance(self.time.conditions.failing):
            self.feed(ev.LocalFailed(now, task_id, "out of memory"))
        else:
            took_ns = layers[layer + 1] * self.time.conditions.local
            self.time.after(took_ns, self._local_step, action, layer + 1)

    def _encoded(self, task_id: str, took: int) -> None:
        if self.time.chance(self.time.conditions.failing):
            self.feed(ev.EncodeFailed(self.time.now, task_id, "out of memory"))
        else:
            self.feed(ev.Encoded(self.time.now, task_id, took))

    # --- the link ---------------------------------------------------------------------------

    def _half_rtt_ns(self) -> float:
        return PRIOR_RTT_NS / 2 * self.time.conditions.link

    def _transfer_ns(self, size_bytes: int) -> float:
        return size_bytes * 8e9 / PRIOR_BPS * self.time.conditions.link

    def _reach(self) -> None:
        """A session is opened, and the cloud agent answers a probe."""
        assert self.cloud is not None
        self._lost_probes = 0
        self.feed(ev.CloudReached(self.time.now))
        self.cloud.feed(ev.EdgeJoined(self.time.now, self.edge_id))
        self.feed(ev.CloudFound(self.time.now, CLOUD))

    def granted(self, grant: do.Grant) -> None:
        """Take credits from the cloud."""
        self.credits = grant.credits
        self.feed(ev.CreditsGranted(self.time.now, grant.credits))

    def _probed(self, action: do.SendProbe, took: float) -> None:
        """A probe is answered, or lost; after two losses the cloud is gone for a while."""
        time, cloud = self.time, self.cloud
        assert cloud is not None
        if took > 2 * S or time.chance(time.conditions.lost):
            self._lost_probes += 1
            if self._lost_probes < 2:
                self.feed(ev.ProbeLost(time.now, "no answer"))
            else:
                self.credits = 1
                self.feed(ev.CloudGone(time.now, "no answer"))
                cloud.feed(ev.EdgeLeft(time.now, self.edge_id))
                time.after(PRIOR_RTT_NS, self._reach)
            return
        self._lost_probes = 0
        if action.last_rtt_ns:
            cloud.report_rtt(action.last_rtt_ns, self.edge_id)
        load = cloud.machine.load(time.now)
        self.feed(
            ev.LinkSampled(
                time.now, int(took), load.queue_ns, load.slowdown, "", 0,
                action.up_bytes, action.down_bytes,
            )
        )  # fmt: skip

    def _send(self, action: do.SendToCloud) -> None:
        """One payload after the other leaves the device."""
        time = self.time
        assert len(self._calls) < self.credits, "a task was sent without a credit"
        self._calls.add(action.task_id)
        self.sent += 1
        starts_ns = max(time.now, self._left_ns)
        self._left_ns = starts_ns + int(self._transfer_ns(IMAGE_BYTES[action.codec]))
        arrives_ns = self._left_ns + self._half_rtt_ns() - time.now
        time.after(arrives_ns, self._arrived, action)
        if time.chance(time.conditions.lost):
            lost_ns = time.draw.random() * arrives_ns
            time.after(lost_ns, self._answer, ev.CloudLost(0, action.task_id, "it broke"))

    def _arrived(self, action: do.SendToCloud) -> None:
        task_id = action.task_id
        cloud = self.cloud
        assert cloud is not None
        if task_id not in self._calls:
            return
        if self.time.chance(self.time.conditions.refused):
            self._answer(ev.CloudRefused(0, task_id, "no credit"))
            return
        spent_ns = int(self._transfer_ns(IMAGE_BYTES[action.codec]))
        budget_ns = max(0, action.budget_ns - spent_ns)
        cloud.arrives(
            ev.Received(
                self.time.now, task_id, self.edge_id, action.accuracy, budget_ns,
                action.down_ns, action.codec, action.exit_rule, action.reply_in_ns, 0,
                action.wanted,
            )
        )  # fmt: skip

    def _give_up_arrives(self, task_id: str) -> None:
        assert self.cloud is not None
        if task_id in self._calls:
            self.cloud.feed(ev.GiveUpReceived(self.time.now, task_id))
            # if its payload has not arrived, the upload is cut
            if task_id not in self.cloud.arrived:
                self._answer(ev.CloudStopped(0, task_id, "given up"))

    def cloud_says(self, action: do.CloudAction) -> None:
        task_id = action.task_id
        event: ev.EdgeEvent
        if isinstance(action, do.Accept):
            event = ev.CloudAccepted(0, task_id, action.exit, action.predicted_ns, action.queue_ns)
        elif isinstance(action, do.Progress):
            event = ev.CloudProgressed(0, task_id, action.stage, action.remaining_ns)
        elif isinstance(action, do.Reply):
            event = ev.CloudReplied(
                0, task_id, action.exit, action.prediction, action.compute_ns, action.queue_ns,
                action.slowdown, 300,
            )  # fmt: skip
        elif isinstance(action, do.Refuse):
            event = ev.CloudRefused(0, task_id, action.reason)
        elif isinstance(action, do.Stop):
            event = ev.CloudStopped(0, task_id, action.reason, action.compute_ns, action.failed)
        else:
            event = ev.CloudLost(0, task_id, "rejected")
        self._heard_ns = max(self._heard_ns, self.time.now + int(self._half_rtt_ns()))
        self.time.after(self._heard_ns - self.time.now, self._answer, event)

    def _answer(self, event: Any) -> None:
        if event.task_id not in self._calls:
            return
        if not isinstance(event, ev.CloudAccepted | ev.CloudProgressed):
            self._calls.discard(event.task_id)
            if isinstance(event, ev.CloudLost) and self.cloud is not None:
                gone = ev.ClientGone(self.time.now, event.task_id)
                self.time.after(self._half_rtt_ns(), lambda: self._hang_up(gone))
        self.feed(replace(event, now_ns=self.time.now))

    def _hang_up(self, gone: ev.ClientGone) -> None:
        assert self.cloud is not None
        self.cloud.feed(replace(gone, now_ns=self.time.now))


def succeeded(edge: LoadedEdge, task_id: str) -> bool:
    """True if the task was answered in time and accurately enough."""
    outcome = edge.outcomes.get(task_id)
    return outcome is not None and outcome.kind is OutcomeKind.SUCCEEDED


def replays(machine: Any, log: list[tuple[Any, list[Any]]]) -> bool:
    """True if a fresh machine answers the recorded events with the recorded actions."""
    return all(machine.handle(event) == actions for event, actions in log)
