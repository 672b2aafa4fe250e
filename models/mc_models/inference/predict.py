"""From logits to the answer that a client gets: five labels with calibrated probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Top5 = tuple[tuple[int, float], ...]
"""The five most probable (label index, probability), best first."""


def top5_and_entropy(logits: Tensor, temperature: float) -> list[tuple[Top5, float]]:
    """The entries of `top5` and the normalised entropy, for each row of logits [n, classes]."""
    probabilities = _probabilities(logits, temperature)
    entropies = _normalised(probabilities).tolist()
    return list(zip(_top5(probabilities), entropies, strict=True))


def normalised_entropy(logits: Tensor, temperature: float) -> Tensor:
    """-sum(p log p) / log(classes) of logits [n, classes], one value per row, in [0, 1].

    0 means certainty of one class, 1 a uniform distribution (DDNN, Teerapittayanon et al. 2017).
    """
    return _normalised(_probabilities(logits, temperature))


def top5(logits: Tensor, temperature: float) -> Top5:
    """The five most probable (label index, probability), best first, of logits [1, classes].

    `temperature` is that of the exit, fitted on validation images, so that answers with a
    probability of 0.8 are right about 8 times in 10. There are fewer entries if there are fewer
    than five classes.
    """
    [entries] = _top5(_probabilities(logits, temperature))
    return entries


def _probabilities(logits: Tensor, temperature: float) -> Tensor:
    return (logits.float() / temperature).softmax(-1)


def _top5(probabilities: Tensor) -> list[Top5]:
    values, indices = probabilities.topk(min(5, probabilities.shape[-1]), dim=-1)
    rows = zip(indices.tolist(), values.tolist(), strict=True)
    return [tuple(zip(labels, shares, strict=True)) for labels, shares in rows]


def _normalised(probabilities: Tensor) -> Tensor:
    nats = -probabilities.xlogy(probabilities).sum(-1)
    return nats / math.log(max(2, probabilities.shape[-1]))
