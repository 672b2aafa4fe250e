"""The oracle: an upper bound for schedulers, which knows the link and all times in advance.

It considers each task in isolation and tries every option of serving it at once: the local net;
each exit of the cloud net by each codec, or on the device; and the local net followed by the cloud
if it is not sure, at the accuracy of DDNN's tuned threshold. It serves every task for which some
option succeeds, and chooses the option with the least energy. Maximising successes per joule alone
would not do, because serving only the one cheapest task is optimal then.

For tasks that do not overlap this is exact: no scheduler that starts them at once has more
successes, and none has the same successes with less energy. Waiting never helps, unless the jitter
happens to be smaller later. The oracle ignores interactions (waiting for the local net, the uplink
or the cloud) and the time until an edge has found its cloud, all of which cost a scheduler
successes. Only one interaction helps a scheduler, by little: uploads that wait for a slow link
together share the radio's base power.

Successes are counted in three ways, each of which is compared with the scheduler's count of the
same kind. `expected`: in time, at an exit of at least the required accuracy. `most_right`: the same
tasks, with the options that maximise the expected right answers per joule of the whole run, as E3
counts them; a deeper exit may be nearly as cheap (see `most_right.py`). `correct`: the answer is
right, which the oracle knows beforehand and no scheduler can know, so this bound is out of reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mc_sched.core.energy.radio import REPLY_BYTES
from mc_sched.core.payloads import all_payload_bytes
from mc_sched.core.policies.entropy_threshold import loosest
from mc_sched.core.tables import Codec
from mc_sched.core.task import Task
from mc_sched.sim.cloud import DECODER, head_piece
from mc_sched.sim.entropy import entropy_by_rank, with_thresholds
from mc_sched.sim.executor import ENCODER, LOCAL_NET
from mc_sched.sim.most_right import Answers, Option, most_right
from mc_sched.sim.radio_link import CHUNK_BYTES, HEADER_BYTES
from mc_sched.sim.spec import CloudSpec, EdgeSpec, WorldSpec
from mc_sched.sim.step_function import StepFunction
from mc_sched.sim.truth import Truth


@dataclass(frozen=True)
class Serving:
    """One option of serving one task, and its result."""

    net: int
    """Index of the network in `Truth`."""
    codec: str
    """Codec of the payload; empty if the image stays on the device."""
    accuracy: float
    """Accuracy of this net over all images."""
    expected: float
    """Accuracy expected of the answer: the net's, or that of all answers by a tuned threshold."""
    latency_ns: int
    energy_j: float


@dataclass
class Bound:
    """Number of successes, and the least energy that they need."""

    successes: int = 0
    energy_j: float = 0.0

    def add(self, servings: Sequence[Serving]) -> None:
        """Add a task with the options that serve it."""
        if servings:
            self.successes += 1
            self.energy_j += min(serving.energy_j for serving in servings)

    @property
    def e3_per_j(self) -> float:
        """Successes per joule; 0 if there are none."""
        return self.successes / self.energy_j if self.energy_j else 0.0


@dataclass(frozen=True)
class Bounds:
    """The oracle's results over all tasks of one edge."""

    expected: Bound
    correct: Bound
    most_right: Answers


class Oracle:
    """Computes the bounds of one edge of a world."""

    def __init__(self, world: WorldSpec, edge: EdgeSpec) -> None:
        self._edge = edge
        self._cloud: CloudSpec | None = None if edge.cloud is None else world.clouds[edge.cloud]
        self._truth = Truth(f"{world.seed}-{edge.edge_id}")
        cloud_table = None if self._cloud is None else self._cloud.table
        self._table = with_thresholds(edge.table, cloud_table)
        self._entropies = entropy_by_rank(self._table.thresholds)
        self._link = edge.radio_link.link

    def bounds(self) -> Bounds:
        """Return the bounds over the edge's whole stream."""
        expected, correct, encoding_j = Bound(), Bound(), 0.0
        choices: list[list[Option]] = []
        for image, task in enumerate(self._edge.arrivals()):
            good = [one for one in self.servings(task, image) if self.serves(one, task)]
            right = [one for one in good if self._is_right(one, image)]
            choices.append([Option(one.expected, one.energy_j, one in right) for one in good])
            encoding_j += self._edge.settings.energy.compute_j(task.encoding_ns)
            expected.add(good)
            correct.add(right)
        for bound in (expected, correct):
            bound.energy_j += encoding_j
        return Bounds(expected, correct, most_right(choices, encoding_j))

    def serves(self, serving: Serving, task: Task) -> bool:
        """Return True if the option is in time and accurate enough."""
        in_time = serving.latency_ns <= task.deadline_ns
        return in_time and serving.expected >= self._needed(task)

    def _needed(self, task: Task) -> float:
        basic = self._edge.settings.basic_accuracy
        return basic if task.accuracy is None else task.accuracy

    def _is_right(self, serving: Serving, image: int) -> bool:
        return self._truth.is_right(image, serving.net, serving.accuracy)

    # --- the options of serving a task --------------------------------------------------------

    def servings(self, task: Task, image: int) -> Iterator[Serving]:
        """Yield every option that the task's privacy permits, in time or not."""
        local = self._local_net(task, image)
        yield local
        yield from self._cloud_net_on_device(task, image)
        yield from self._sure_local_net(task, image, local)
        for codec, size_bytes in self._payloads(task):
            yield from self._offload(task, image, codec, size_bytes)
            yield from self._local_first(task, image, local, codec, size_bytes)

    def _payloads(self, task: Task) -> Iterator[tuple[Codec, int]]:
        """Yield the codecs that the task may use, with the size of its payload."""
        if self._cloud is not None:
            sizes = all_payload_bytes(task, self._table, self._cloud.table)
            for codec in self._cloud.table.payload_formats:
                if codec.name in sizes and task.privacy.allows(codec.name):
                    yield codec, sizes[codec.name]

    def _begins_ns(self, task: Task) -> int:
        return task.submitted_ns + self._edge.admission_ns

    def _local_net(self, task: Task, image: int) -> Serving:
        return self._on_device(task, image, self._table.layer_ns, LOCAL_NET, self._table.accuracy)

    def _cloud_net_on_device(self, task: Task, image: int) -> Iterator[Serving]:
        """Yield the cloud net on the device, up to each of its exits."""
        net = self._table.cloud_net
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

    def _sure_local_net(self, task: Task, image: int, local: Serving) -> Iterator[Serving]:
        """Yield the local net's answer if it is sure, by the threshold for the cloud net on images.

        Images that it is not sure of cost less without it.
        """
        threshold = loosest(self._table.thresholds, "jpeg", self._needed(task))
        answer = self._truth.answer(image, LOCAL_NET, self._table.accuracy, self._entropies)
        if threshold is not None and answer.entropy <= threshold.entropy:
            yield replace(local, expected=threshold.accuracy["jpeg"])

    def _local_first(
        self, task: Task, image: int, local: Serving, codec: Codec, size_bytes: int
    ) -> Iterator[Serving]:
        """Yield the local net's answer if it is sure, otherwise the cloud's last exit (DDNN)."""
        threshold = loosest(self._table.thresholds, codec.name, self._needed(task))
        if threshold is None:
            return
        expected = threshold.accuracy[codec.name]
        answer = self._truth.answer(image, LOCAL_NET, self._table.accuracy, self._entropies)
        if answer.entropy <= threshold.entropy:
            yield replace(local, expected=expected)
        else:
            *_, last = self._offload(task, image, codec, size_bytes, after_ns=local.latency_ns)
            yield replace(last, expected=expected, energy_j=last.energy_j + local.energy_j)

    def _offload(
        self, task: Task, image: int, codec: Codec, size_bytes: int, after_ns: int = 0
    ) -> Iterator[Serving]:
        """Yield every exit, closest to the input first; sent `after_ns` after the decision."""
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
        """Return the time to make the payload; 0 if the client has encoded it."""
        profiled_ns = self._edge.table.encode_ns.get(codec.name, 0)
        return self._edge.device.took_ns(profiled_ns, image, ENCODER, now_ns)

    def _sent(self, now_ns: int, size_bytes: int) -> tuple[int, int]:
        """Return when a payload's last byte is sent and when it arrives, sent in chunks."""
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
        """Add half of the extra round trip at the moment of sending."""
        extra: StepFunction | None = self._edge.radio_link.extra_rtt_ns
        return arrival_ns if extra is None else arrival_ns + int(extra.at(sent_ns)) // 2
