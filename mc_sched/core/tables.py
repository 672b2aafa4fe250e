"""Tables of the networks: operations, accuracy and profiled times, known before any task runs.

The numbers come from a bundle (accuracy, operations) and a host's profile (times). `accuracy` is
expected top-5 accuracy on held-out images, per codec, as the paper measures QoR.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import field

from mc_sched.core.value import value


@value
class Exit:
    """A branch output layer behind stage `stage` (counted from 0)."""

    name: str
    stage: int
    head_ns: int
    accuracy: dict[str, float]
    """Expected accuracy by codec, e.g. {"jpeg": 0.91}; none for a codec that enters behind it."""
    head_batch_ns: tuple[int, ...] = ()
    """Time of its head by batch, for the sizes in `CloudTable.batch_sizes`; empty if unknown."""


@value
class Codec:
    """A payload format: decoded in `decode_ns`, it enters the cloud net at stage `stage`.

    If `payload_bytes` is not 0, every payload has that size.
    """

    name: str
    stage: int = 0
    decode_ns: int = 0
    payload_bytes: int = 0


@value
class EntropyThreshold:
    """One threshold of DDNN's rule, with the rule's accuracy on held-out images.

    An answer of the local net is final if its normalised entropy is at most `entropy`; the other
    images go to the cloud net's last exit.
    """

    entropy: float
    kept: float
    """Share of the images with a final local answer, in [0, 1]."""
    accuracy: dict[str, float]
    """Accuracy of all answers, local and cloud, by codec."""
    unsure_accuracy: float
    """Accuracy of the local net on the other images."""


@value
class CloudTable:
    """The cloud net: stages in order, exits in forward order, the net's own head last."""

    name: str
    stage_ns: tuple[int, ...]
    exits: tuple[Exit, ...]
    bundle_hash: str = ""
    codecs: tuple[Codec, ...] = (Codec("jpeg"),)
    splits: tuple[Codec, ...] = ()
    """Payloads of a partitioned net: the raw activation behind each stage but the last, in 8 bits.
    Only the partitioning policies see them."""
    batch_sizes: tuple[int, ...] = (1,)
    """Sizes of the batches whose times were measured, in ascending order from 1."""
    stage_batch_ns: tuple[tuple[int, ...], ...] = ()
    """Time of each stage by batch, for the sizes in `batch_sizes`; empty if unknown."""

    @property
    def payload_formats(self) -> tuple[Codec, ...]:
        """All formats of payloads that this net takes."""
        return self.codecs + self.splits

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the exits, in forward order."""
        return tuple([e.name for e in self.exits])

    def exit_named(self, name: str) -> Exit:
        """The exit of that name; KeyError if there is none."""
        for exit_ in self.exits:
            if exit_.name == name:
                return exit_
        raise KeyError(name)

    def codec_named(self, name: str) -> Codec:
        """The codec of that name; KeyError if there is none."""
        for codec in self.payload_formats:
            if codec.name == name:
                return codec
        raise KeyError(name)

    def path_ns(self, exit_: Exit, from_stage: int = 0) -> int:
        """Profiled time of stages `from_stage`.. up to the exit, its head included."""
        return sum(self.stage_ns[from_stage : exit_.stage + 1]) + exit_.head_ns

    @property
    def largest_batch(self) -> int:
        """Size of the largest batch whose times are known; 1 without batch times."""
        return self.batch_sizes[-1] if self.stage_batch_ns else 1

    def stage_time_ns(self, stage: int, size: int) -> float:
        """Profiled time of one stage for a batch of `size` tasks."""
        if size == 1 or not self.stage_batch_ns:
            return float(self.stage_ns[stage] * size)
        return _interpolated(self.batch_sizes, self.stage_batch_ns[stage], size)

    def head_time_ns(self, exit_: Exit, size: int) -> float:
        """Profiled time of one exit's head for a batch of `size` tasks."""
        if size == 1 or not exit_.head_batch_ns:
            return float(exit_.head_ns * size)
        return _interpolated(self.batch_sizes, exit_.head_batch_ns, size)

    def acceptable(self, codec: str, accuracy: float) -> tuple[Exit, ...]:
        """Exits that reach `accuracy` with `codec`, closest to the input first."""
        if codec not in [known.name for known in self.payload_formats]:
            return ()
        reached = [e for e in self.exits if codec in e.accuracy]
        return tuple([e for e in reached if e.accuracy[codec] >= accuracy])


def _interpolated(sizes: tuple[int, ...], times_ns: tuple[int, ...], size: int) -> float:
    """Time of a batch of `size`, linear between the measured sizes and beyond the largest."""
    above = min(max(1, bisect_left(sizes, size)), len(sizes) - 1)
    if above == 0:
        return float(times_ns[0] * size)
    low, high = sizes[above - 1], sizes[above]
    low_ns, high_ns = times_ns[above - 1], times_ns[above]
    return low_ns + (high_ns - low_ns) * (size - low) / (high - low)


@value
class LocalTable:
    """The local net, one entry per layer in order, and the cloud net's times on this device."""

    name: str
    accuracy: float
    layer_ops: tuple[int, ...]
    layer_ns: tuple[int, ...]
    encode_ns: dict[str, int] = field(default_factory=dict)
    """Profiled time from pixels to payload, by codec. Payloads that are ready at submission, such
    as a jpeg, have no entry."""
    thresholds: tuple[EntropyThreshold, ...] = ()
    """Thresholds in ascending order; empty if they were not measured."""
    cloud_net: CloudTable | None = None
    """The cloud net with its times on this device; None if they were not measured."""

    @property
    def total_ns(self) -> int:
        """Profiled time of one inference."""
        return sum(self.layer_ns)
