"""Measured times of a bundle's layers, stages and heads on this host, and their file.

Each time is a median in nanoseconds for one image. A profile belongs to one bundle, host and
number of threads; `load_profile` returns None for any other, so that it gets measured again.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mc_models.bundle import Bundle
from mc_models.preprocess import decode_image, encode_jpeg, to_input
from mc_models.synthetic import render

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1
PARTS = frozenset({"edge", "cloud"})
_WARM_UP = 3
_T = TypeVar("_T")


@dataclass(frozen=True)
class Profile:
    """Median times in ns; empty or 0 for a part that was not measured."""

    layer_ns: tuple[int, ...] = ()
    """Layers of the local net, in order."""
    preprocess_ns: int = 0
    """decode_image and to_input of a JPEG of input size."""
    encode_ns: int = 0
    """encode_jpeg of an image of input size."""
    features_encode_ns: int = 0
    """to_input and the edge's half of the features codec; 0 for a bundle without one."""
    features_decode_ns: int = 0
    """The cloud's half of it."""
    stage_ns: tuple[int, ...] = ()
    head_ns: dict[str, int] = field(default_factory=dict)
    threads: int = 1
    host: str = ""
    device: str = "cpu"
    bundle_hash: str = ""


def this_host() -> str:
    """The name of this machine, as profiles record it."""
    return platform.node()


def measure_profile(
    bundle: Bundle, threads: int, parts: Collection[str] = PARTS, repeats: int = 15
) -> Profile:
    """Time `parts` of a bundle ("edge", "cloud") with `threads` CPU threads.

    Sets torch's thread count for the time of the call. Takes a few seconds.
    """
    import torch

    if not parts or not PARTS.issuperset(parts):
        raise ValueError(f"parts {sorted(parts)} are unknown; choose from {sorted(PARTS)}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return _measure(bundle, threads, parts, repeats)
    finally:
        torch.set_num_threads(before)


def _measure(bundle: Bundle, threads: int, parts: Collection[str], repeats: int) -> Profile:
    image = render(0, 0, bundle.input_px)
    jpeg = encode_jpeg(image)
    x = to_input(decode_image(jpeg, bundle.input_px))
    layer_ns: tuple[int, ...] = ()
    stage_ns: tuple[int, ...] = ()
    head_ns: dict[str, int] = {}
    if "edge" in parts:
        layer_ns = time_chain(bundle.edge_net().layers, x, repeats)
    if "cloud" in parts:
        net = bundle.cloud_net()
        stage_ns = time_chain(net.stages, x, repeats)
        for name, stage in zip(net.exit_names, net.stages, strict=True):
            x = stage(x)
            head_ns[name] = time_chain([net.heads[name]], x, repeats)[0]
    features_encode_ns, features_decode_ns = _features_ns(bundle, parts, repeats)
    return Profile(
        layer_ns=layer_ns,
        preprocess_ns=_median_ns(lambda: to_input(decode_image(jpeg, bundle.input_px)), repeats),
        encode_ns=_median_ns(lambda: encode_jpeg(image), repeats),
        features_encode_ns=features_encode_ns,
        features_decode_ns=features_decode_ns,
        stage_ns=stage_ns,
        head_ns=head_ns,
        threads=threads,
        host=this_host(),
        bundle_hash=bundle.hash,
    )


def _features_ns(bundle: Bundle, parts: Collection[str], repeats: int) -> tuple[int, int]:
    """Times of both halves of the features codec; 0 where there is none or nobody asked."""
    if not bundle.codecs:
        return 0, 0
    from mc_models.features import load_decoder, load_encoder

    image = render(0, 0, bundle.input_px)
    encode, decode = load_encoder(bundle), load_decoder(bundle)
    message = encode(to_input(image))
    encode_ns = _median_ns(lambda: encode(to_input(image)), repeats) if "edge" in parts else 0
    decode_ns = _median_ns(lambda: decode(message), repeats) if "cloud" in parts else 0
    return encode_ns, decode_ns


def time_chain(modules: Iterable[nn.Module], x: Tensor, repeats: int) -> tuple[int, ...]:
    """Median ns of each module of a chain over whole passes, so that caches are as in real use."""
    chain = list(modules)
    samples: list[list[int]] = [[] for _ in chain]
    for round_ in range(_WARM_UP + repeats):
        y = x.clone()  # layers may work in place
        for module, times in zip(chain, samples, strict=True):
            start = time.perf_counter_ns()
            y = module(y)
            if round_ >= _WARM_UP:
                times.append(time.perf_counter_ns() - start)
    return tuple(int(statistics.median(times)) for times in samples)


def _median_ns(action: Callable[[], _T], repeats: int) -> int:
    times = []
    for _ in range(_WARM_UP + repeats):
        start = time.perf_counter_ns()
        action()
        times.append(time.perf_counter_ns() - start)
    return int(statistics.median(times[_WARM_UP:]))


def save_profile(profile: Profile, path: Path) -> None:
    """Write a profile as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, **asdict(profile)}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_profile(path: Path, bundle: Bundle, threads: int) -> Profile | None:
    """The profile at `path`, or None if there is none for this bundle, host and thread count."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            return None
        profile = Profile(
            **{**raw, "layer_ns": tuple(raw["layer_ns"]), "stage_ns": tuple(raw["stage_ns"])}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    wanted = (bundle.hash, threads, this_host())
    return profile if (profile.bundle_hash, profile.threads, profile.host) == wanted else None
