"""Layers as packed oneDNN calls on a CPU, and a faster local response normalisation.

A packed layer is one oneDNN call for convolution or linear, bias, a residual sum and ReLU. Its
weights are reordered once for the input's shape; torch's own layers reorder them in every pass. It
also takes batches of other sizes than the one it was packed for.
The operators are those that torch.compile emits for a CPU. They are not a public interface, so
`packed` returns None if a build of torch lacks the one for a layer. Kernels are plain objects, not
modules: calling a module costs some microseconds, as much as running a small layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mc_models.networks.caffenet import NeighbourNorm


class PackedConv:
    """Convolution, bias, sum and ReLU in one call."""

    def __init__(self, layer: nn.Conv2d, relu: bool, shape: Sequence[int]) -> None:
        ops: Any = torch.ops.mkldnn
        padding: Any = layer.padding
        self._geometry = (list(padding), [*layer.stride], [*layer.dilation], layer.groups)
        self._weight = ops._reorder_convolution_weight(layer.weight, *self._geometry, list(shape))
        self._bias = layer.bias
        self._relu = "relu" if relu else None
        self._run = ops._convolution_pointwise.default
        self._run_sum = ops._convolution_pointwise.binary

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """Output [n, channels, h, w] of x; `other` is added to it before the ReLU."""
        layer = (self._weight, self._bias, *self._geometry)
        if other is None:
            y: Tensor = self._run(x, *layer, self._relu or "none", [], "")
        else:
            y = self._run_sum(x, other, *layer, "add", 1.0, self._relu, [], "")
        return y


class PackedLinear:
    """Linear, bias and ReLU in one call; packed for `rows` vectors in a pass."""

    def __init__(self, layer: nn.Linear, relu: bool, rows: int) -> None:
        ops: Any = torch.ops.mkldnn
        self._weight = ops._reorder_linear_weight(layer.weight.contiguous(), rows)
        self._bias = layer.bias
        self._after = "relu" if relu else "none"
        self._run = ops._linear_pointwise.default

    def forward(self, x: Tensor) -> Tensor:
        """Output [n, n_out] of x [n, n_in]."""
        y: Tensor = self._run(x, self._weight, self._bias, self._after, [], "")
        return y


def packed(layer: nn.Conv2d | nn.Linear, x: Tensor, relu: bool) -> PackedConv | PackedLinear | None:
    """Pack `layer`, with a ReLU behind it if `relu`, for inputs like `x`; None if impossible."""
    try:
        if isinstance(layer, nn.Linear):
            kernel: PackedConv | PackedLinear = PackedLinear(
                layer, relu, x.numel() // layer.in_features
            )
        elif layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            return None
        else:
            kernel = PackedConv(layer, relu, x.shape)
        kernel.forward(x)
    except (AttributeError, NotImplementedError, RuntimeError):
        return None
    return kernel


class InFloat32:
    """A float32 layer in a network of reduced precision, such as the one before the logits."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Float32 output for x of any precision."""
        y: Tensor = self._layer(x.float())
        return y


class BandedNorm:
    """`NeighbourNorm` with its windowed sum as a product with a banded matrix."""

    def __init__(self, norm: NeighbourNorm, x: Tensor, dtype: torch.dtype) -> None:
        channels, device = x.shape[1], x.device
        index = torch.arange(channels)
        near = (index[:, None] - index[None, :]).abs() <= norm.size // 2
        # float16 ends at 65504, which a square can exceed
        dtype = torch.float32 if dtype is torch.float16 else dtype
        self._band = (near * (norm.alpha / norm.size)).to(device, dtype)
        self._one = torch.ones(channels, device=device, dtype=dtype)
        self._beta = norm.beta

    def forward(self, x: Tensor) -> Tensor:
        """Normalised activation, same shape [n, c, h, w]."""
        v = x.permute(0, 2, 3, 1).to(self._band.dtype)
        scale = F.linear(v * v, self._band, self._one)
        if self._beta == 0.75:  # two square roots instead of a power
            root = scale.rsqrt_()
            y = torch.sqrt(root).mul_(root).mul_(v)
        else:
            y = scale.pow_(-self._beta).mul_(v)
        return y.permute(0, 3, 1, 2).to(x.dtype)
