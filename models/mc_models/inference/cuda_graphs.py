"""A piece of a network as one CUDA graph: its kernels are launched by a single call.

A small network's stage is many short kernels, and launching them one by one costs more than they
take. Recorded once for an input shape, they are replayed without Python in between.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP_RUNS = 3
"""Passes before the recording: cuDNN chooses its kernels and allocates its workspace in them."""


class GraphedPiece:
    """Replays `piece` for inputs shaped like `x` (on the GPU); other shapes run as usual."""

    def __init__(self, piece: Callable[[Tensor], Tensor], x: Tensor) -> None:
        self._piece = piece
        self._x = x.clone()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                piece(self._x)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._y: Tensor = piece(self._x)

    def __call__(self, x: Tensor) -> Tensor:
        """The piece's output, computed when this returns, in memory of its own."""
        if x.shape == self._x.shape:
            self._x.copy_(x)
            self._graph.replay()
            y = self._y.clone()  # the next task's replay overwrites the graph's own output
        else:
            y = self._piece(x)
        torch.cuda.synchronize()
        return y
