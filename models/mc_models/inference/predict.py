"""From logits to the answer that people see: five labels with calibrated probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def answer(logits: Tensor, temperature: float) -> tuple[tuple[tuple[int, float], ...], float]:
    """The answer of `top5` with its normalised entropy."""
    return top5(logits, temperature), float(normalised_entropy(logits, temperature))


def normalised_entropy(logits: Tensor, temperature: float) -> Tensor:
    """-sum(p log p) / log(classes) of logits [n, classes], one value per row, in [0, 1].

    Teerapittayanon et al. 2017 (DDNN): 0 is sure of one class, 1 has no preference among all.
    """
    probabilities = (logits.float() / temperature).softmax(-1)
    nats = -probabilities.xlogy(probabilities).sum(-1)
    return nats / math.log(max(2, logits.shape[-1]))


def top5(logits: Tensor, temperature: float) -> tuple[tuple[int, float], ...]:
    """The five likeliest (label index, probability), best first, of logits [1, classes].

    `temperature` is the exit's, fitted on validation images, so that a probability of 0.8 is
    right about 8 times in 10. Fewer classes than five give fewer entries.
    """
    probabilities = (logits.reshape(-1).float() / temperature).softmax(0)
    values, indices = probabilities.topk(min(5, len(probabilities)))
    return tuple(zip(indices.tolist(), values.tolist(), strict=True))
