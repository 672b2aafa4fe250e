"""A small trainer for modules around a trained network: the codec, and its attackers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import PIXEL_MEAN, PIXEL_SCALE
from mc_models.progress import OnStep

CLIP_NORM = 5.0
_WARM_UP = 0.1

LossOf = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Loss of a batch: network input [n, 3, px, px], labels [n], and the generator for noise."""


@dataclass(frozen=True)
class Budget:
    """The number of training steps, their images and their learning rate.

    Steps see a window of `crop_px`, at most `reach_px` off the centre; the last `full_steps` of
    them see full frames. With `crop_px` 0 all steps see full frames.
    """

    steps: int
    full_steps: int = 0
    crop_px: int = 112
    reach_px: int = 8
    batch: int = 32
    peak_lr: float = 3e-3
    seed: int = 0


def fit(
    module: nn.Module,
    images: ImageSet,
    budget: Budget,
    loss_of: LossOf,
    on_step: OnStep | None = None,
) -> None:
    """Train `module` in place, on its own device; the same seed gives the same weights."""
    device = next(module.parameters()).device
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=0.01)
    rng = torch.Generator().manual_seed(budget.seed)
    module.train()
    for step, rows in enumerate(_batches(len(images), budget, rng)):
        crop_px = 0 if step >= budget.steps - budget.full_steps else budget.crop_px
        x = _window(torch.from_numpy(images.images[rows]), crop_px, budget.reach_px, rng)
        x, labels = x.to(device), torch.from_numpy(images.labels[rows]).to(device)
        for group in optimizer.param_groups:
            group["lr"] = budget.peak_lr * _rate(step / budget.steps)
        loss = loss_of(x, labels, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, budget.steps, loss.item())
    module.eval().requires_grad_(False)


def _rate(done: float) -> float:
    """Share of the peak learning rate: a short warm-up, then half a cosine."""
    return min(1.0, 0.05 + done / _WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def _batches(count: int, budget: Budget, rng: torch.Generator) -> Iterator[list[int]]:
    """Row numbers of each step: shuffled epochs, one directly after another."""
    order: list[int] = []
    for _ in range(budget.steps):
        while len(order) < budget.batch:
            order += torch.randperm(count, generator=rng).tolist()
        yield order[: budget.batch]
        del order[: budget.batch]


def _window(images: Tensor, crop_px: int, reach_px: int, rng: torch.Generator) -> Tensor:
    """Network input from uint8 [n, h, w, 3]: one window, each image mirrored at random."""
    spare = images.shape[1] - crop_px
    if crop_px and spare > 0:
        reach = min(reach_px, spare // 2)
        shift = torch.randint(-reach, reach + 1, (2,), generator=rng).tolist()
        top, left = (spare // 2 + s for s in shift)
        images = images[:, top : top + crop_px, left : left + crop_px]
    x = images.permute(0, 3, 1, 2).float().sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
    mirrored = torch.rand(len(x), generator=rng) < 0.5
    x[mirrored] = x[mirrored].flip(3)
    return x.contiguous(memory_format=torch.channels_last)
