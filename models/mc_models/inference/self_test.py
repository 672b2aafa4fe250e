"""Warm networks up and check that they answer, before an agent accepts tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from mc_models.bundle.load import Bundle

RUNS = 5
"""Number of passes; the first ones build kernels and fill caches."""
BATCH_RUNS = 2
"""Number of passes of each batch size; the second one still allocates memory."""
Module = Callable[[torch.Tensor], torch.Tensor]


class SelfTestFailed(ValueError):
    """A network gives no valid answer on this device."""


@torch.inference_mode()
def try_local(layers: Iterable[Module], bundle: Bundle, runs: int = RUNS) -> None:
    """Run the local net; raise SelfTestFailed if its answer is not valid."""
    for _ in range(runs):
        x = _grey(bundle)
        for layer in layers:
            x = layer(x)
        _check(x, bundle, bundle.local.name)


@torch.inference_mode()
def try_cloud(
    stages: Sequence[Module],
    heads: Mapping[str, Module],
    bundle: Bundle,
    runs: int = RUNS,
    largest_batch: int = 1,
) -> None:
    """Run every stage and head; raise SelfTestFailed if an exit's answer is not valid.

    Every batch size up to `largest_batch` runs, since oneDNN builds kernels for each: the first
    batch of a size took two to three times as long as the later ones.
    """
    sizes = [1] * runs + [size for size in range(2, largest_batch + 1) for _ in range(BATCH_RUNS)]
    for size in sizes:
        x = _grey(bundle, size)
        for stage, head in zip(stages, heads, strict=True):
            x = stage(x)
            _check(heads[head](x), bundle, f"{bundle.cloud_name}, {head}", size)


def _grey(bundle: Bundle, images: int = 1) -> torch.Tensor:
    """Grey images, [n, 3, px, px]."""
    x = torch.zeros(images, 3, bundle.input_px, bundle.input_px)
    return x.contiguous(memory_format=torch.channels_last)


def _check(logits: torch.Tensor, bundle: Bundle, name: str, images: int = 1) -> None:
    is_valid = logits.numel() == images * len(bundle.labels) and bool(torch.isfinite(logits).all())
    if not is_valid:
        raise SelfTestFailed(
            f"{name} fails its self-test: its output is not one finite number per label; try "
            "precision: float32, or another version of torch"
        )
