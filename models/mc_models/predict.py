"""From logits to the answer that people see: five labels with calibrated probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def top5(logits: Tensor, temperature: float) -> tuple[tuple[int, float], ...]:
    """The five likeliest (label index, probability), best first, of logits [1, classes].

    `temperature` is the exit's, fitted on validation images, so that a probability of 0.8 is
    right about 8 times in 10. Fewer classes than five give fewer entries.
    """
    probabilities = (logits.reshape(-1).float() / temperature).softmax(0)
    values, indices = probabilities.topk(min(5, len(probabilities)))
    return tuple(zip(indices.tolist(), values.tolist(), strict=True))
