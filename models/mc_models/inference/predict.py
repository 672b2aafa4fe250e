"""From logits to the answer that a client gets: five labels with calibrated probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def top5_and_entropy(
    logits: Tensor, temperature: float
) -> tuple[tuple[tuple[int, float], ...], float]:
    """The entries of `top5`, and the normalised entropy over all classes."""
    return top5(logits, temperature), float(normalised_entropy(logits, temperature))


def normalised_entropy(logits: Tensor, temperature: float) -> Tensor:
    """-sum(p log p) / log(classes) of logits [n, classes], one value per row, in [0, 1].

    0 means certainty of one class, 1 a uniform distribution (DDNN, Teerapittayanon et al. 2017).
    """
    probabilities = (logits.float() / temperature).softmax(-1)
    nats = -probabilities.xlogy(probabilities).sum(-1)
    return nats / math.log(max(2, logits.shape[-1]))


def top5(logits: Tensor, temperature: float) -> tuple[tuple[int, float], ...]:
    """The five most probable (label index, probability), best first, of logits [1, classes].

    `temperature` is that of the exit, fitted on validation images, so that answers with a
    probability of 0.8 are right about 8 times in 10. There are fewer entries if there are fewer
    than five classes.
    """
    probabilities = (logits.reshape(-1).float() / temperature).softmax(0)
    values, indices = probabilities.topk(min(5, len(probabilities)))
    return tuple(zip(indices.tolist(), values.tolist(), strict=True))
