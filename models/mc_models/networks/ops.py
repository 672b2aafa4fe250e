"""Operations per module, in multiply-accumulates (MACs), from torch's flop counter.

One MAC is two FLOPs. For a convolution this equals n_in * k^2 * n_out * h * w / groups (h, w of
the output); layers without multiplications by weights (pooling, normalisation) count 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_ops(module: nn.Module, x: Tensor) -> tuple[int, Tensor]:
    """Return the MACs of one forward pass of `module` on `x`, and its output."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        output: Tensor = module(x)
    return counter.get_total_flops() // 2, output


@dataclass(frozen=True)
class ChainShape:
    """Per module of a chain: operations (MACs), channels and side of its output map."""

    ops: tuple[int, ...]
    channels: tuple[int, ...]
    sides: tuple[int, ...]


def count_chain(modules: Iterable[nn.Module], input_px: int) -> ChainShape:
    """Operations and output shapes of each module, for one image [1, 3, px, px]."""
    x = torch.zeros(1, 3, input_px, input_px)
    rows = []
    for module in modules:
        training = module.training
        module.eval()
        count, x = count_ops(module, x)
        module.train(training)
        rows.append((count, x.shape[1], x.shape[-1]))
    ops, channels, sides = zip(*rows, strict=True)
    return ChainShape(ops, channels, sides)
