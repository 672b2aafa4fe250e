"""The training loss: cross-entropy over the exits in training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.data.textures import TEXTURES


def exits_loss(
    logits: list[Tensor],
    labels: Tensor,
    last_weight: float,
    smoothing: float,
    grouped: bool,
) -> Tensor:
    """Weighted mean of `class_loss` over exits: `last_weight` for the last one, 1 for others."""
    losses = [class_loss(row.float(), labels, smoothing, grouped) for row in logits]
    weights = torch.tensor([1.0] * (len(losses) - 1) + [last_weight], device=labels.device)
    return (torch.stack(losses) * weights).sum() / weights.sum()


def class_loss(logits: Tensor, labels: Tensor, smoothing: float, grouped: bool) -> Tensor:
    """Cross-entropy of the class; for generated images (`grouped`) also of shape and texture.

    The probability of a shape is the sum over its ten classes, so no layer is added. Classes
    that share a shape or texture learn from each other's images, which speeds up the first epochs.
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    if not grouped:
        return loss
    log_p = logits.log_softmax(1).view(len(logits), -1, len(TEXTURES))  # [n, shapes, textures]
    shape = F.nll_loss(log_p.logsumexp(2), labels // len(TEXTURES))
    texture = F.nll_loss(log_p.logsumexp(1), labels % len(TEXTURES))
    return loss + 0.5 * (shape + texture)
