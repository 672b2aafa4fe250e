"""The oracle: what a scheduler could reach that knew the link and every time in advance.

It takes each task by itself. It tries every way of serving it, begun when the task comes: the local
net; each exit of the cloud net by each codec, or wholly on the device; and the local net with the
cloud behind it where that is not sure, at the accuracy that DDNN's tuning promises. It serves every
task that some way makes succeed, and of those ways it takes the one of least energy. The most
successes per joule alone would be no aim: serving nothing but the one cheapest task reaches it.

For tasks that do not meet, this is exact: no scheduler that begins at once has more successes, and
none has the same ones for less. To wait never helps, but for jitter that happens to be less later.
It ignores what happens where tasks interact (waiting for the local net, for the uplink, for the
cloud), and that an edge has to meet its cloud first, which takes from a scheduler. What gives is
little: uploads that wait for a slow link at once have the radio's base power in common.

What succeeds is counted in three ways, of which each is held against a scheduler's own. `expected`:
in time, by an exit of at least the demanded accuracy. `most_right`: the same tasks, each by the way
that makes the run's expected right answers per joule the most, as E3 counts right answers: a deeper
exit that is nearly as cheap (see `most_right.py`). `correct`: the answer is right, which the oracle
knows beforehand. No scheduler can know it, so that the last bound is out of reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.payloads import all_payload_bytes
from mc_sched.core.policies.entropy_threshold import loosest
from mc_sched.core.tables import Codec
from mc_sched.core.task import Task
from mc_sched.sim.certainty import entropy_by_rank, with_thresholds
from mc_sched.sim.cloud import DECODER, head_piece
from mc_sched.sim.edge import ENCODER, LOCAL_NET
from mc_sched.sim.most_right import Answers, Option, most_right
from mc_sched.sim.radio_link import CHUNK_BYTES, HEADER_BYTES
from mc_sched.sim.spec import CloudSpec, EdgeSpec, WorldSpec
from mc_sched.sim.step_function import Steps
from mc_sched.sim.truth import Truth


@dataclass(frozen=True)
class Serving:
    """One way of serving one task, and what comes of it."""

    net: int
    """Its number in the truth."""
    codec: str
    """How the image leaves the device; empty if it does not."""
    accuracy: float
    """Of this net, over all images."""
    promised: float
    """What is told of the answer: the net's accuracy, or that of all answers of a tuned rule."""
    latency_ns: int
    energy_j: float


@dataclass
class Bound:
    """Successes, and the joules that they cost at least."""

    successes: int = 0
    energy_j: float = 0.0

    def add(self, ways: Sequence[Serving]) -> None:
        """Enter a task with the ways that serve it."""
        if ways:
            self.successes += 1
            self.energy_j += min(way.energy_j for way in ways)

    @property
    def e3_per_j(self) -> float:
        """Successes per joule; 0 where there are none."""
        return self.successes / self.energy_j if self.energy_j else 0.0


@dataclass(frozen=True)
class Bounds:
    """The oracle's figures over all tasks of one edge."""

    expected: Bound
    correct: Bound
    most_right: Answers


class Oracle:
    """Knows one edge's world."""

    def __init__(self, world: WorldSpec, edge: EdgeSpec) -> None:
        self._edge = edge
        self._cloud: CloudSpec | None = None if edge.cloud is None else world.clouds[edge.cloud]
        self._truth = Truth(f"{world.seed}-{edge.edge_id}")
        cloud_table = None if self._cloud is None else self._cloud.table
        self._table = with_thresholds(edge.table, cloud_table)
        self._entropies = entropy_by_rank(self._table.thresholds)
        self._link = edge.way.link

    def bounds(self) -> Bounds:
        """Over the edge's whole stream."""
        expected, correct, encoding_j = Bound(), Bound(), 0.0
        choices: list[list[Option]] = []
        for image, task in enumerate(self._edge.arrivals()):
            good = [way for way in self.servings(task, image) if self.serves(way, task)]
            right = [way for way in good if self._is_right(way, image)]
            choices.append([Option(way.promised, way.energy_j, way in right) for way in good])
            encoding_j += self._edge.settings.energy.compute_j(task.encoding_ns)
            expected.add(good)
            correct.add(right)
        for bound in (expected, correct):
            bound.energy_j += encoding_j
        return Bounds(expected, correct, most_right(choices, encoding_j))

    def serves(self, way: Serving, task: Task) -> bool:
        """Whether it is in time and accurate enough."""
        return way.latency_ns <= task.deadline_ns and way.promised >= self._needed(task)

    def _needed(self, task: Task) -> float:
        basic = self._edge.settings.basic_accuracy
        return basic if task.accuracy is None else task.accuracy

    def _is_right(self, way: Serving, image: int) -> bool:
        return self._truth.is_right(image, way.net, way.accuracy)

    # --- the ways of serving a task -----------------------------------------------------------

    def servings(self, task: Task, image: int) -> Iterator[Serving]:
        """Every way that the task's privacy allows, in time or not."""
        here = self._here(task, image)
        yield here
        yield from self._whole_here(task, image)
        yield from self._sure_here(task, image, here)
        for codec, size_bytes in self._payloads(task):
            yield from self._there(task, image, codec, size_bytes)
            yield from self._here_first(task, image, here, codec, size_bytes)

    def _payloads(self, task: Task) -> Iterator[tuple[Codec, int]]:
        """What may leave the device, and its size."""
        if self._cloud is not None:
            sizes = all_payload_bytes(task, self._table, self._cloud.table)
            for codec in self._cloud.table.ways:
                if codec.name in sizes and task.privacy.allows(codec.name):
                    yield codec, sizes[codec.name]

    def _begins_ns(self, task: Task) -> int:
        return task.submitted_ns + self._edge.admission_ns

    def _here(self, task: Task, image: int) -> Serving:
        return self._on_device(task, image, self._table.layer_ns, LOCAL_NET, self._table.accuracy)

    def _whole_here(self, task: Task, image: int) -> Iterator[Serving]:
        """The cloud net on the device, up to each of its exits."""
        net = self._table.whole
        for number, exit_ in enumerate(net.exits if net else (), LOCAL_NET + 1):
            pieces_ns = (*net.stage_ns[: exit_.stage + 1], exit_.head_ns) if net else ()
            yield self._on_device(task, image, pieces_ns, number, exit_.accuracy["jpeg"])

    def _on_device(
        self, task: Task, image: int, pieces_ns: Sequence[int], net: int, accuracy: float
    ) -> Serving:
        edge, begins_ns = self._edge, self._begins_ns(task)
        pieces = enumerate(pieces_ns)
        took_ns = sum(edge.device.took_ns(ns, image, piece, begins_ns) for piece, ns in pieces)
        energy_j = edge.settings.energy.compute_j(took_ns)
        latency_ns = begins_ns + took_ns - task.submitted_ns
        return Serving(net, "", accuracy, accuracy, latency_ns, energy_j)

    def _sure_here(self, task: Task, image: int, here: Serving) -> Iterator[Serving]:
        """The answer here if it is sure, by the rule that has the cloud net on pictures behind it;
        what is not sure costs less without it."""
        threshold = loosest(self._table.thresholds, "jpeg", self._needed(task))
        answer = self._truth.answer(image, LOCAL_NET, self._table.accuracy, self._entropies)
        if threshold is not None and answer.entropy <= threshold.entropy:
            yield replace(here, promised=threshold.accuracy["jpeg"])

    def _here_first(
        self, task: Task, image: int, here: Serving, codec: Codec, size_bytes: int
    ) -> Iterator[Serving]:
        """As DDNN has it: the answer here if it is sure, or else the whole net on the cloud."""
        threshold = loosest(self._table.thresholds, codec.name, self._needed(task))
        if threshold is None:
            return
        promised = threshold.accuracy[codec.name]
        answer = self._truth.answer(image, LOCAL_NET, self._table.accuracy, self._entropies)
        if answer.entropy <= threshold.entropy:
            yield replace(here, promised=promised)
        else:
            *_, last = self._there(task, image, codec, size_bytes, after_ns=here.latency_ns)
            yield replace(last, promised=promised, energy_j=last.energy_j + here.energy_j)

    def _there(
        self, task: Task, image: int, codec: Codec, size_bytes: int, after_ns: int = 0
    ) -> Iterator[Serving]:
        """Every exit, closest to the input first; the way begins `after_ns` from the decision."""
        assert self._cloud is not None
        energy, table, device = self._edge.settings.energy, self._cloud.table, self._cloud.device
        begins_ns = self._begins_ns(task) + after_ns
        encode_ns = self._encode_ns(codec, image, begins_ns)
        sent_ns = begins_ns + encode_ns
        left_ns, now_ns = self._sent(sent_ns, size_bytes)
        energy_j = energy.compute_j(encode_ns) + energy.radio.up_j(size_bytes, left_ns - sent_ns)
        now_ns += device.took_ns(codec.decode_ns, image, DECODER, now_ns)
        exits = {exit_.stage: (net, exit_) for net, exit_ in enumerate(table.exits, LOCAL_NET + 1)}
        for stage, stage_ns in list(enumerate(table.stage_ns))[codec.stage :]:
            now_ns += device.took_ns(stage_ns, image, stage, now_ns)
            net, exit_ = exits.get(stage, (LOCAL_NET, None))
            if exit_ is not None and codec.name in exit_.accuracy:
                head_ns = device.took_ns(exit_.head_ns, image, head_piece(table, exit_), now_ns)
                done_ns = now_ns + head_ns
                back_ns = self._back_ns(done_ns)
                reply_j = energy.radio.down_j(REPLY_BYTES, back_ns - done_ns)
                latency_ns = back_ns - task.submitted_ns
                accuracy = exit_.accuracy[codec.name]
                yield Serving(net, codec.name, accuracy, accuracy, latency_ns, energy_j + reply_j)

    def _encode_ns(self, codec: Codec, image: int, now_ns: int) -> int:
        """Where the payload has to be made."""
        profiled_ns = self._edge.table.encode_ns.get(codec.name, 0)
        return self._edge.device.took_ns(profiled_ns, image, ENCODER, now_ns)

    def _sent(self, now_ns: int, size_bytes: int) -> tuple[int, int]:
        """When a payload's last byte leaves, and when it arrives, chunk behind chunk."""
        up = self._link.uplink(0)
        arrival_ns = self._later_ns(now_ns, up.arrival_ns(now_ns, HEADER_BYTES))
        while size_bytes > 0:
            arrival_ns = self._later_ns(now_ns, up.arrival_ns(now_ns, min(CHUNK_BYTES, size_bytes)))
            size_bytes -= CHUNK_BYTES
            now_ns = max(now_ns, up.free_ns)
        return up.free_ns, arrival_ns

    def _back_ns(self, done_ns: int) -> int:
        return self._later_ns(done_ns, self._link.downlink(0).arrival_ns(done_ns, REPLY_BYTES))

    def _later_ns(self, sent_ns: int, arrival_ns: int) -> int:
        """With what the way takes beyond its link's own round trip at that moment."""
        steps: Steps | None = self._edge.way.extra_rtt_ns
        return arrival_ns if steps is None else arrival_ns + int(steps.at(sent_ns)) // 2
