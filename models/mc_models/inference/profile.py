"""Measured times of one network of a bundle on this host, piece by piece, as the agents run it.

A profile belongs to one bundle, network, precision, device, number of threads, host and version of
torch; with another of any of these it says nothing. `profile_store` keeps profiles between starts
and settles precision `auto` by comparing them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mc_models.bundle.bundle import Bundle
from mc_models.bundle.rows import ExitRow
from mc_models.data.preprocess import Pixels, decode_image, encode_jpeg, to_input
from mc_models.data.synthetic import render
from mc_models.inference.predict import answer

if TYPE_CHECKING:
    from torch import Tensor

    from mc_models.inference.runtime import Device, Precision, PreparedCloud, PreparedLocal

Part = Literal["edge", "cloud"]
PARTS: tuple[Part, ...] = ("edge", "cloud")
BUDGET_S = 1.5
"""Time for the passes of one network in one precision."""
LEAST_PASSES, MOST_PASSES = 20, 200
WARM_UP_PASSES = 3


@dataclass(frozen=True)
class Times:
    """Quantiles of how long something took, in ns, and of how many runs."""

    p50_ns: int
    p95_ns: int
    p99_ns: int
    count: int

    @classmethod
    def of(cls, samples_ns: Sequence[int]) -> Times:
        """Nearest-rank quantiles of at least one sample."""
        ordered = sorted(samples_ns)

        def rank(percent: int) -> int:
            return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

        return cls(rank(50), rank(95), rank(99), len(ordered))


@dataclass(frozen=True)
class Profile:
    """Times of the network `part`, and what they belong to."""

    bundle_hash: str
    part: Part
    precision: Precision
    device: str
    threads: int
    host: str
    torch: str
    disturbed: float = 0.0
    """Share of the measuring time in which the CPU worked for other programs, in [0, 1]."""
    layers: Mapping[str, Times] = field(default_factory=dict)
    """Of the local net, in order; the first includes making the input, the last the answer."""
    stages: Mapping[str, Times] = field(default_factory=dict)
    """Of the cloud net; on the edge, too, where the bundle has splits."""
    heads: Mapping[str, Times] = field(default_factory=dict)
    """By exit; each includes the five labels of the answer."""
    images: Mapping[str, Times] = field(default_factory=dict)
    """`decode` of a JPEG of input size (on the cloud up to the network's input), and `encode`."""
    codecs: Mapping[str, Times] = field(default_factory=dict)
    """By codec beside jpeg, from image to message on the edge, from message to activation on the
    cloud."""
    splits: Mapping[str, Times] = field(default_factory=dict)
    """Packing each raw split's activation on the edge, unpacking it on the cloud."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What the times belong to; another profile with the same identity replaces this one."""
        return (
            self.bundle_hash, self.part, self.precision, self.device, self.threads, self.host,
            self.torch,
        )  # fmt: skip

    @property
    def layer_ns(self) -> tuple[int, ...]:
        """Median time of each layer of the local net."""
        return tuple(times.p50_ns for times in self.layers.values())

    @property
    def stage_ns(self) -> tuple[int, ...]:
        """Median time of each stage of the cloud net."""
        return tuple(times.p50_ns for times in self.stages.values())

    @property
    def head_ns(self) -> dict[str, int]:
        """Median time of each exit's head."""
        return {name: times.p50_ns for name, times in self.heads.items()}

    @property
    def codec_ns(self) -> dict[str, int]:
        """Median time of this side's half of each codec beside jpeg."""
        return {name: times.p50_ns for name, times in self.codecs.items()}

    @property
    def split_ns(self) -> dict[str, int]:
        """Median time of packing or unpacking each raw split."""
        return {name: times.p50_ns for name, times in self.splits.items()}

    @property
    def decode_ns(self) -> int:
        """Median time of decoding a JPEG."""
        return self.images["decode"].p50_ns

    @property
    def total_ns(self) -> int:
        """Median time of the network `part`, to its last exit."""
        if self.part == "edge":
            return sum(self.layer_ns)
        return sum(self.stage_ns) + sum([*self.head_ns.values()][-1:])


def this_host() -> str:
    """The name of this machine, as profiles record it."""
    return platform.node()


def blank_profile(
    bundle: Bundle, part: Part, threads: int, precision: Precision, device: Device
) -> Profile:
    """What a profile measured here and now would belong to, without times."""
    import torch

    from mc_models.inference.runtime import device_name

    return Profile(
        bundle.hash, part, precision, device_name(device), threads, this_host(), torch.__version__
    )


def measure_profiles(blanks: Sequence[Profile], bundle: Bundle, device: Device) -> list[Profile]:
    """`blanks`, of one network and thread count, with their times; takes seconds, not minutes.

    Their passes take turns, so that what else the host does strikes all of them alike. Sets
    torch's thread count for the time of the call.
    """
    import torch

    with _threads(blanks[0].threads), torch.inference_mode():
        passes = [_pass(blank, bundle, device) for blank in blanks]
        for one_pass in passes * WARM_UP_PASSES:
            one_pass(_Clock())
        clocks = [_Clock() for _ in passes]
        start_s, start_cpu_s = time.monotonic(), time.thread_time()
        end_s = start_s + BUDGET_S * len(passes)
        for number in range(MOST_PASSES):
            if number >= LEAST_PASSES and time.monotonic() > end_s:
                break
            for one_pass, clock in zip(passes, clocks, strict=True):
                one_pass(clock)
        worked_s, took_s = time.thread_time() - start_cpu_s, time.monotonic() - start_s
    # while a GPU works, this thread may rest
    disturbed = round(max(0.0, 1 - worked_s / took_s), 3) if device == "cpu" else 0.0
    return [
        replace(blank, disturbed=disturbed, **clock.times())
        for blank, clock in zip(blanks, clocks, strict=True)
    ]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Clock:
    """Collects how long named pieces of work take."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, list[int]]] = {}

    def time(self, kind: str, name: str, work: Callable[[Any], Any], x: Any) -> Any:
        """`work(x)`; its time is a sample of `name`."""
        started = time.perf_counter_ns()
        y = work(x)
        took_ns = time.perf_counter_ns() - started
        self._samples.setdefault(kind, {}).setdefault(name, []).append(took_ns)
        return y

    def times(self) -> dict[str, Any]:
        """Quantiles by kind and name."""
        return {
            kind: {name: Times.of(samples) for name, samples in named.items()}
            for kind, named in self._samples.items()
        }


def _pass(blank: Profile, bundle: Bundle, device: Device) -> Callable[[_Clock], None]:
    """One task's work from the image to the answer, as the agent's executor does it."""
    from mc_models.inference.runtime import prepare_cloud, prepare_local

    pixels = render(0, 0, bundle.input_px)
    jpeg = encode_jpeg(pixels)
    passes = [_codec_pass(blank, bundle, device, pixels)]
    if blank.part == "edge":
        local = prepare_local(bundle, blank.precision, device)
        passes.insert(0, partial(_local_pass, bundle, local, pixels, jpeg))
        if bundle.splits:
            whole = prepare_cloud(bundle, blank.precision, device)
            passes.append(partial(_whole_pass, bundle, whole, pixels))
    else:
        cloud = prepare_cloud(bundle, blank.precision, device)
        passes.insert(0, partial(_cloud_pass, bundle, cloud, jpeg))

    def all_of_them(clock: _Clock) -> None:
        for one_pass in passes:
            one_pass(clock)

    return all_of_them


def _codec_pass(
    blank: Profile, bundle: Bundle, device: Device, pixels: Pixels
) -> Callable[[_Clock], None]:
    """This side's half of the features codec; nothing for a bundle without one."""
    from mc_models.codec.features import NAME
    from mc_models.inference.runtime import prepare_decoder, prepare_encoder

    if not bundle.codecs:
        return lambda clock: None
    if blank.part == "edge":
        encode = prepare_encoder(bundle, blank.precision, device)
        return lambda clock: clock.time("codecs", NAME, lambda p: encode(to_input(p)), pixels)
    decode = prepare_decoder(bundle, blank.precision, device)
    message = bytes(bundle.codec(NAME).message_bytes)
    return lambda clock: clock.time("codecs", NAME, decode, message)


def _local_pass(
    bundle: Bundle, net: PreparedLocal, pixels: Pixels, jpeg: bytes, clock: _Clock
) -> None:
    clock.time("images", "decode", lambda data: decode_image(data, bundle.input_px), jpeg)
    clock.time("images", "encode", encode_jpeg, pixels)
    works: list[Callable[[Any], Any]] = [*net.layers]
    first, last = works[0], works[-1]
    works[0] = lambda image: first(to_input(image))
    works[-1] = lambda x: answer(last(x), bundle.local.temperature)
    x: Any = pixels
    for row, work in zip(bundle.local.layers, works, strict=True):
        x = clock.time("layers", row.name, work, x)


def _cloud_pass(bundle: Bundle, net: PreparedCloud, jpeg: bytes, clock: _Clock) -> None:
    from mc_models.codec.splits import unpack

    def prepare(data: bytes) -> Tensor:
        return to_input(decode_image(data, bundle.input_px))

    x = clock.time("images", "decode", prepare, jpeg)
    _stages_and_heads(bundle, net.stages, net.heads, x, clock)
    for row in bundle.splits:
        clock.time("splits", row.name, partial(unpack, row=row), bytes(row.message_bytes))


def _whole_pass(bundle: Bundle, net: PreparedCloud, pixels: Pixels, clock: _Clock) -> None:
    """The cloud net on the device: its first stage includes making the input."""
    from mc_models.codec.splits import pack

    first, *rest = net.stages
    stages: list[Callable[[Any], Any]] = [lambda image: first(to_input(image)), *rest]
    activations = _stages_and_heads(bundle, stages, net.heads, pixels, clock)
    for row in bundle.splits:
        clock.time("splits", row.name, pack, activations[row.stage - 1])


def _stages_and_heads(
    bundle: Bundle,
    stages: Sequence[Callable[[Any], Any]],
    heads: Mapping[str, Callable[[Tensor], Tensor]],
    x: Any,
    clock: _Clock,
) -> list[Tensor]:
    """Runs every piece; the stages' outputs."""
    activations = []
    for stage_row, stage in zip(bundle.stages, stages, strict=True):
        x = clock.time("stages", stage_row.name, stage, x)
        activations.append(x)
    for row, activation in zip(bundle.exits, activations, strict=True):
        clock.time("heads", row.name, partial(_answer, heads[row.name], row), activation)
    return activations


def _answer(head: Callable[[Tensor], Tensor], row: ExitRow, x: Tensor) -> object:
    return answer(head(x), row.temperature)
