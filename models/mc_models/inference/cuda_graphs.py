"""A piece of a network as one CUDA graph, whose kernels are launched by a single call.

A stage of a small network consists of many short kernels, and launching them one by one takes
longer than running them. They are recorded once for an input shape and replayed without Python.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP_RUNS = 3
"""Passes before the recording, in which cuDNN chooses kernels and allocates its workspace."""


class GraphedPiece:
    """Replays `piece` for inputs of the shape of `x`, on the GPU; other shapes run as usual."""

    def __init__(self, piece: Callable[[Tensor], Tensor], x: Tensor) -> None:
        self._piece = piece
        self._x = x.clone()
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UP_RUNS):
                piece(self._x)
        torch.cuda.current_stream().wait_stream(side_stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._y: Tensor = piece(self._x)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the piece's output in memory of its own, after the GPU has computed it."""
        if x.shape == self._x.shape:
            self._x.copy_(x)
            self._graph.replay()
            y = self._y.clone()  # the next task's replay overwrites the graph's own output
        else:
            y = self._piece(x)
        torch.cuda.synchronize()
        return y
