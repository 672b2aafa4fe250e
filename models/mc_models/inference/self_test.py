"""Warm networks up and check that they answer, before an agent accepts tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from mc_models.bundle.load import Bundle

RUNS = 5
"""Number of passes; the first ones build kernels and fill caches."""
Module = Callable[[torch.Tensor], torch.Tensor]


class SelfTestFailed(ValueError):
    """A network gives no valid answer on this device."""


@torch.inference_mode()
def try_local(layers: Iterable[Module], bundle: Bundle, runs: int = RUNS) -> None:
    """Run the local net; raise SelfTestFailed if its answer is not valid."""
    for x in _inputs(bundle, runs):
        for layer in layers:
            x = layer(x)
        _check(x, bundle, bundle.local.name)


@torch.inference_mode()
def try_cloud(
    stages: Iterable[Module], heads: Mapping[str, Module], bundle: Bundle, runs: int = RUNS
) -> None:
    """Run every stage and head; raise SelfTestFailed if an exit's answer is not valid."""
    for x in _inputs(bundle, runs):
        for stage, head in zip(stages, heads, strict=True):
            x = stage(x)
            _check(heads[head](x), bundle, f"{bundle.cloud_name}, {head}")


def _inputs(bundle: Bundle, runs: int) -> Iterable[torch.Tensor]:
    """Grey images, [1, 3, px, px]."""
    for _ in range(runs):
        x = torch.zeros(1, 3, bundle.input_px, bundle.input_px)
        yield x.contiguous(memory_format=torch.channels_last)


def _check(logits: torch.Tensor, bundle: Bundle, name: str) -> None:
    is_valid = logits.numel() == len(bundle.labels) and bool(torch.isfinite(logits).all())
    if not is_valid:
        raise SelfTestFailed(
            f"{name} fails its self-test: its output is not one finite number per label; try "
            "precision: float32, or another version of torch"
        )
