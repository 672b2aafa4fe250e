"""Prepare single pieces of a network (a layer, a stage, a head) for one device and precision.

On a CPU each piece is built twice, with torch's layers and with packed oneDNN ones, and the faster
form on this host is used. On a GPU a piece is one CUDA graph per batch size. All forms take batches
of any size. The weights of a packed layer are reordered for one image, which costs larger batches
nothing: on a Zen 4 they ran within 2 % of weights reordered for batches of 4 and 8.

torch.compile is not used: on a two-core Zen 4 it took 24 to 37 s for set A, and its stages were
slower (10.6 ms for the complete cloud net in float32; these pieces take 8.9 ms). A device may also
lack a compiler.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mc_models.inference.cuda_graphs import GraphedPiece
from mc_models.inference.devices import Device, Precision
from mc_models.inference.fuse import fuse

Piece = Callable[[Tensor], Tensor]

TRIALS = 10
"""Runs of each form of a piece; the least time counts, since noise only adds to it."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.02}
"""Largest relative difference (Euclidean norm) between two forms of a piece."""


class PiecePreparer:
    """Prepares pieces for one device and precision."""

    def __init__(
        self, precision: Precision, device: Device, batch_sizes: Sequence[int] = (1,)
    ) -> None:
        self._precision, self._device = precision, device
        self._batch_sizes = batch_sizes
        self._dtype: torch.dtype = getattr(torch, precision)

    def sample(self, px: int) -> Tensor:
        """Random network input [1, 3, px, px] to compare forms on."""
        return self.normal(3, px)

    def normal(self, channels: int, side: int) -> Tensor:
        """Normally distributed values [1, channels, side, side]."""
        x = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
        return x.to(self._device, memory_format=torch.channels_last)

    def prepare(
        self, piece: nn.Module, x: Tensor, gives_logits: bool = False
    ) -> tuple[Piece, Tensor]:
        """Return `piece` prepared for inputs like `x`, and its float32 output on `x`."""
        piece = piece.to(self._device)
        plain = fuse(piece, x, self._dtype, False, gives_logits)
        expected: Tensor = piece(x.clone())
        reduced = x.to(self._dtype)
        if self._device == "cuda":
            return GraphedPiece(plain, reduced, self._batch_sizes), expected
        packed = fuse(piece, x, self._dtype, True, gives_logits)
        return _fastest([plain, packed], reduced, TOLERANCE[self._precision]), expected

    def entrance(self, piece: Piece) -> Piece:
        """Return `piece` for inputs from outside, of any precision, layout and device."""

        def enter(x: Tensor) -> Tensor:
            x = x.to(self._device, self._dtype, memory_format=torch.channels_last)
            return piece(x)

        return enter


def _fastest(forms: Sequence[Piece], x: Tensor, tolerance: float) -> Piece:
    """The form with the least time on `x` among those that agree with the first."""
    expected = forms[0](x.clone()).float()
    forms = [forms[0], *(f for f in forms[1:] if _difference(f, x, expected) <= tolerance)]
    least_s = [float("inf")] * len(forms)
    for _ in range(TRIALS):
        for index, form in enumerate(forms):
            y = x.clone()  # a form may work in place
            started = time.perf_counter()
            form(y)
            least_s[index] = min(least_s[index], time.perf_counter() - started)
    return forms[least_s.index(min(least_s))]


def _difference(form: Piece, x: Tensor, expected: Tensor) -> float:
    """Relative Euclidean distance of a form's output from the expected one."""
    try:
        found = form(x.clone()).float()
    except RuntimeError:
        return float("inf")  # oneDNN cannot run this layer after all
    return float((found - expected).norm() / expected.norm().clamp(min=1e-12))
