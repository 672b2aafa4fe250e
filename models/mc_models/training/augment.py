"""Make training batches from stored images: crop or zoom, mirror, normalise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.data.preprocess import PIXEL_MEAN, PIXEL_SCALE
from mc_models.training.schedule import Phase

_CROP_REACH_PX = 5  # largest distance of a crop from the centre
_LEAST_ZOOM = 0.75  # smallest side of a zoomed square, as a share of the image's side


def training_batch(
    images: Tensor, phase: Phase, mirror: bool, rng: torch.Generator, device: torch.device
) -> Tensor:
    """Batch input float32 [n, 3, phase.px, phase.px] on `device` from uint8 [n, h, w, 3].

    One random window is used for the complete batch; each image is mirrored with probability 1/2
    if `mirror`.
    """
    if phase.view == "crop":
        images = _crop(images, phase.px, rng)
    elif phase.view == "zoom":
        images = _random_square(images, rng)
    mirrored = torch.rand(len(images), generator=rng) < (0.5 if mirror else 0.0)
    x = images.to(device).permute(0, 3, 1, 2).float().sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
    if x.shape[-1] != phase.px:
        x = F.interpolate(x, (phase.px, phase.px), mode="bilinear", antialias=True)
    mirrored = mirrored.to(device)
    x[mirrored] = x[mirrored].flip(3)
    return x.contiguous(memory_format=torch.channels_last)


def _crop(images: Tensor, px: int, rng: torch.Generator) -> Tensor:
    """Crop all images to one random window of `px` near the centre."""
    spare = images.shape[1] - px
    if spare <= 0:
        return images
    reach = min(_CROP_REACH_PX, spare // 2)
    shift = torch.randint(-reach, reach + 1, (2,), generator=rng).tolist()
    top, left = (spare // 2 + s for s in shift)
    return images[:, top : top + px, left : left + px]


def _random_square(images: Tensor, rng: torch.Generator) -> Tensor:
    """Crop all images to one random square with 75 to 100 % of their side."""
    size = images.shape[1]
    side = int(torch.randint(round(_LEAST_ZOOM * size), size + 1, (1,), generator=rng))
    top, left = torch.randint(0, size - side + 1, (2,), generator=rng).tolist()
    return images[:, top : top + side, left : left + side]
