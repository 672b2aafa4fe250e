"""Accuracy and temperature of every output of a bundle's networks on a set of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import batch_input, decode_image, encode_jpeg

LOCAL = "local"
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Accuracy:
    """Share of images whose label is the first, or among the first five, in [0, 1]."""

    top1: float
    top5: float


class WithExits(Protocol):
    """A cloud net, prepared or not."""

    def forward_all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every exit."""


@torch.no_grad()
def all_logits(
    edge: Callable[[Tensor], Tensor] | None,
    cloud: WithExits | None,
    images: ImageSet,
    codec: str = "jpeg",
    batch: int = 32,
    report: Report | None = None,
) -> dict[str, Tensor]:
    """Logits [n, classes] of the local net ("local") and of every exit, by name.

    Both nets see what a camera's JPEG shows. For the cloud each goes through the codec: "jpeg"
    encodes and decodes it just as edge and cloud do, "none" leaves it.
    """
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(images), batch):
        chunk = images.images[start : start + batch]
        if edge is not None:
            parts.setdefault(LOCAL, []).append(edge(batch_input(through_jpeg(chunk))))
        if cloud is not None:
            sent = chunk if codec == "none" else through_jpeg(chunk)
            for name, logits in cloud.forward_all(batch_input(sent)).items():
                parts.setdefault(name, []).append(logits)
        if report is not None:
            report(min(start + batch, len(images)), len(images))
    return {name: torch.cat(rows) for name, rows in parts.items()}


def through_jpeg(
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Each image [px, px, 3] encoded and decoded as it is on the way to the cloud."""
    px = images.shape[1]
    return np.stack([decode_image(encode_jpeg(image), px) for image in images])


def accuracy(logits: Tensor, labels: Tensor) -> Accuracy:
    """Top-1 and top-5 accuracy of logits [n, classes]."""
    first, first_five = hits(logits, labels)
    return Accuracy(first.float().mean().item(), first_five.float().mean().item())


def hits(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each label is the first, and among the first five: two bool tensors [n]."""
    found = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return found[:, 0], found.any(1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least cross-entropy (Guo et al. 2017), between 0.05 and 5.

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
    """Expected calibration error: mean distance of confidence from accuracy, in [0, 1]."""
    confidence, guess = (logits / temperature).softmax(1).max(1)
    correct = (guess == labels).float()
    slot = (confidence * bins).long().clamp(max=bins - 1)
    gaps = [
        (confidence[slot == b].mean() - correct[slot == b].mean()).abs() * (slot == b).sum()
        for b in set(slot.tolist())
    ]
    return (torch.stack(gaps).sum() / len(labels)).item()
