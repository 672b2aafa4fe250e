"""Logits of every output of a bundle on a set of images, their accuracy and calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.codec.cut import before_cut, behind_cut
from mc_models.codec.feature_codec import FeatureCodec
from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import batch_input, through_jpeg
from mc_models.networks.branches import BranchedNet
from mc_models.progress import OnProgress

LOCAL = "local"


@dataclass(frozen=True)
class Accuracy:
    """Share of images whose label is ranked first, and among the first five, in [0, 1]."""

    top1: float
    top5: float


class WithExits(Protocol):
    """A cloud net, as trained or prepared."""

    def forward_all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every exit."""


@torch.no_grad()
def all_logits(
    local: Callable[[Tensor], Tensor] | None,
    cloud: WithExits | None,
    images: ImageSet,
    codec: str = "jpeg",
    batch: int = 32,
    on_progress: OnProgress | None = None,
) -> dict[str, Tensor]:
    """Logits [n, classes] of the local net ("local") and of every exit, by name.

    The local net sees each image after JPEG, as a camera sends it. For the cloud net, codec "jpeg"
    encodes and decodes the images as edge and cloud do; "none" leaves them as they are.
    """
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(images), batch):
        chunk = images.images[start : start + batch]
        if local is not None:
            parts.setdefault(LOCAL, []).append(local(batch_input(through_jpeg(chunk))))
        if cloud is not None:
            sent = chunk if codec == "none" else through_jpeg(chunk)
            for name, logits in cloud.forward_all(batch_input(sent)).items():
                parts.setdefault(name, []).append(logits)
        if on_progress is not None:
            on_progress(min(start + batch, len(images)), len(images))
    return {name: torch.cat(rows) for name, rows in parts.items()}


@torch.inference_mode()
def features_logits(
    net: BranchedNet,
    codec: FeatureCodec,
    stage: int,
    images: ImageSet,
    batch: int = 32,
    on_progress: OnProgress | None = None,
) -> dict[str, Tensor]:
    """Logits [n, classes] of every exit behind the cut, from messages of camera JPEGs.

    The noise has a fixed seed, so the same images give the same logits.
    """
    rng = torch.Generator().manual_seed(0)
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(images), batch):
        x = batch_input(through_jpeg(images.images[start : start + batch]))
        activation = codec(before_cut(net, stage, x), rng)
        for name, logits in behind_cut(net, stage, activation).items():
            parts.setdefault(name, []).append(logits)
        if on_progress is not None:
            on_progress(min(start + batch, len(images)), len(images))
    return {name: torch.cat(rows) for name, rows in parts.items()}


def accuracy(logits: Tensor, labels: Tensor) -> Accuracy:
    """Top-1 and top-5 accuracy of logits [n, classes]."""
    first, first_five = hits(logits, labels)
    return Accuracy(first.float().mean().item(), first_five.float().mean().item())


def hits(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two bool tensors [n]: the label is ranked first, and it is among the first five."""
    found = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return found[:, 0], found.any(1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature of least cross-entropy (Guo et al. 2017), between 0.05 and 5.

    Cross-entropy is convex in 1/T; two passes over a logarithmic grid find it to 1 %.
    """
    low, high = 0.05, 5.0
    best = 1.0
    for _ in range(2):
        grid = np.geomspace(low, high, 32)
        losses = [F.cross_entropy(logits / float(t), labels).item() for t in grid]
        at = int(np.argmin(losses))
        best = float(grid[at])
        low, high = float(grid[max(0, at - 1)]), float(grid[min(len(grid) - 1, at + 1)])
    return best


def calibration_error(logits: Tensor, labels: Tensor, temperature: float, bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, in [0, 1]."""
    confidence, guess = (logits / temperature).softmax(1).max(1)
    correct = (guess == labels).float()
    slot = (confidence * bins).long().clamp(max=bins - 1)
    gaps = [
        (confidence[slot == b].mean() - correct[slot == b].mean()).abs() * (slot == b).sum()
        for b in set(slot.tolist())
    ]
    return (torch.stack(gaps).sum() / len(labels)).item()
