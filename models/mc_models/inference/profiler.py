"""Measure profiles: run one task's work again and again and time its pieces.

Batches of the cloud net follow (`batch_profiler`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mc_models.bundle.load import Bundle
from mc_models.data.preprocess import Pixels, decode_image, encode_jpeg, to_input
from mc_models.data.synthetic import render
from mc_models.inference.batch_profiler import (
    BATCH_SIZES,
    measure_batches,
    time_stages_and_heads,
)
from mc_models.inference.predict import top5_and_entropy
from mc_models.inference.profile import BatchTimes, Part, Profile, Times
from mc_models.inference.stopwatch import Stopwatch

if TYPE_CHECKING:
    from torch import Tensor

    from mc_models.inference.devices import Device
    from mc_models.inference.prepare import PreparedCloud, PreparedLocal

BUDGET_S = 1.5
"""Time for the passes of one network in one precision."""
LEAST_PASSES, MOST_PASSES = 20, 200
WARM_UP_PASSES = 3


def measure_profiles(blanks: Sequence[Profile], bundle: Bundle, device: Device) -> list[Profile]:
    """Return `blanks`, of one network and thread count, with their times; takes seconds.

    The passes of all profiles alternate, so that other load on the host affects all of them alike.
    Sets torch's thread count during the call.
    """
    import torch

    with _threads(blanks[0].threads), torch.inference_mode():
        nets = [_prepared_cloud(blank, bundle, device) for blank in blanks]
        passes = [
            _pass(blank, bundle, net, device) for blank, net in zip(blanks, nets, strict=True)
        ]
        for one_pass in passes * WARM_UP_PASSES:
            one_pass(Stopwatch())
        start_s, start_cpu_s = time.monotonic(), time.thread_time()
        singles = _alternate(passes)
        batches = _batches(blanks[0].part, bundle, nets, singles, device)
        worked_s, took_s = time.thread_time() - start_cpu_s, time.monotonic() - start_s
    # while a GPU works, this thread may be idle
    disturbed = round(max(0.0, 1 - worked_s / took_s), 3) if device == "cpu" else 0.0
    return [
        replace(blank, disturbed=disturbed, batches=several, **single)
        for blank, several, single in zip(blanks, batches, singles, strict=True)
    ]


def _prepared_cloud(blank: Profile, bundle: Bundle, device: Device) -> PreparedCloud | None:
    """The cloud net as this site runs it; None for an edge that does not."""
    from mc_models.inference.prepare import prepare_cloud

    if blank.part == "cloud":
        return prepare_cloud(bundle, blank.precision, device, BATCH_SIZES)
    return prepare_cloud(bundle, blank.precision, device) if bundle.splits else None


def _alternate(passes: Sequence[Callable[[Stopwatch], None]]) -> list[dict[str, Any]]:
    """Run the passes in turns until their time is up; return the times by kind and name."""
    stopwatches = [Stopwatch() for _ in passes]
    end_s = time.monotonic() + BUDGET_S * len(passes)
    for number in range(MOST_PASSES):
        if number >= LEAST_PASSES and time.monotonic() > end_s:
            break
        for one_pass, stopwatch in zip(passes, stopwatches, strict=True):
            one_pass(stopwatch)
    return [stopwatch.times() for stopwatch in stopwatches]


def _batches(
    part: Part,
    bundle: Bundle,
    nets: Sequence[PreparedCloud | None],
    singles: Sequence[Mapping[str, Mapping[str, Times]]],
    device: Device,
) -> list[tuple[BatchTimes, ...]]:
    """The times of the cloud's batches; an edge device runs one task at a time."""
    if part == "edge":
        return [() for _ in nets]
    clouds = [net for net in nets if net is not None]
    x = to_input(render(0, 0, bundle.input_px))
    return measure_batches(bundle, clouds, singles, x, device)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _pass(
    blank: Profile, bundle: Bundle, cloud: PreparedCloud | None, device: Device
) -> Callable[[Stopwatch], None]:
    """One task's work from the image to the answer, as the agent's executor does it."""
    from mc_models.inference.prepare import prepare_local

    pixels = render(0, 0, bundle.input_px)
    jpeg = encode_jpeg(pixels)
    passes = [_codec_pass(blank, bundle, device, pixels)]
    if blank.part == "edge":
        local = prepare_local(bundle, blank.precision, device)
        passes.insert(0, partial(_local_pass, bundle, local, pixels, jpeg))
        if cloud is not None:
            passes.append(partial(_cloud_net_on_edge_pass, bundle, cloud, pixels))
    elif cloud is not None:
        passes.insert(0, partial(_cloud_pass, bundle, cloud, jpeg))

    def run_all(stopwatch: Stopwatch) -> None:
        for one_pass in passes:
            one_pass(stopwatch)

    return run_all


def _codec_pass(
    blank: Profile, bundle: Bundle, device: Device, pixels: Pixels
) -> Callable[[Stopwatch], None]:
    """This site's half of the features codec; does nothing for a bundle without one."""
    from mc_models.codec.feature_codec import FEATURES
    from mc_models.inference.prepare import prepare_decoder, prepare_encoder

    if not bundle.codecs:
        return lambda stopwatch: None
    if blank.part == "edge":
        encode = prepare_encoder(bundle, blank.precision, device)
        return lambda stopwatch: stopwatch.time(
            "codecs", FEATURES, lambda image: encode(to_input(image)), pixels
        )
    decode = prepare_decoder(bundle, blank.precision, device)
    message = bytes(bundle.codec(FEATURES).message_bytes)
    return lambda stopwatch: stopwatch.time("codecs", FEATURES, decode, message)


def _local_pass(
    bundle: Bundle, net: PreparedLocal, pixels: Pixels, jpeg: bytes, stopwatch: Stopwatch
) -> None:
    stopwatch.time("images", "decode", lambda data: decode_image(data, bundle.input_px), jpeg)
    stopwatch.time("images", "encode", encode_jpeg, pixels)
    layers: list[Callable[[Any], Any]] = [*net.layers]
    first, last = layers[0], layers[-1]
    layers[0] = lambda image: first(to_input(image))
    layers[-1] = lambda x: top5_and_entropy(last(x), bundle.local.temperature)
    x: Any = pixels
    for row, layer in zip(bundle.local.layers, layers, strict=True):
        x = stopwatch.time("layers", row.name, layer, x)


def _cloud_pass(bundle: Bundle, net: PreparedCloud, jpeg: bytes, stopwatch: Stopwatch) -> None:
    from mc_models.codec.splits import unpack

    def prepare(data: bytes) -> Tensor:
        return to_input(decode_image(data, bundle.input_px))

    x = stopwatch.time("images", "decode", prepare, jpeg)
    time_stages_and_heads(bundle, net.stages, net.heads, x, stopwatch)
    for row in bundle.splits:
        stopwatch.time("splits", row.name, partial(unpack, row=row), bytes(row.message_bytes))


def _cloud_net_on_edge_pass(
    bundle: Bundle, net: PreparedCloud, pixels: Pixels, stopwatch: Stopwatch
) -> None:
    """The cloud net on the device: its first stage includes making the input."""
    from mc_models.codec.splits import pack

    first, *rest = net.stages
    stages: list[Callable[[Any], Any]] = [lambda image: first(to_input(image)), *rest]
    activations = time_stages_and_heads(bundle, stages, net.heads, pixels, stopwatch)
    for row in bundle.splits:
        stopwatch.time("splits", row.name, pack, activations[row.stage - 1])
